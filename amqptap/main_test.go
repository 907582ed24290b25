package amqptap

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/calltap/calltap/integration/rabbit"
)

// shared is the broker of all live tests, started by the first that needs it.
var shared struct {
	once sync.Once
	node *rabbit.Node
	err  error
}

// reader is what start gives a Source that names none.
var reader = "inplace"

// readers holds the names of the tests that started a Source which named none.
var readers sync.Map

// root is the name of the test that t is a part of.
func root(t testing.TB) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return name
}

// withNode runs the tests with the one reader and then, once more with the other, those that took what they were given.
// It ends the broker after the tests and before goroutines are counted.
type withNode struct{ m *testing.M }

func (w withNode) Run() int {
	_ = flag.Set("test.parallel", "4") // unless the command line says otherwise: what runs in parallel waits for brokers
	code := w.m.Run()
	if code == 0 && !given("test.bench") && !given("test.fuzz") {
		code = w.onceMore()
	}
	if shared.node != nil {
		shared.node.Crash() // nobody will read what it would write
		os.RemoveAll(shared.node.Dir())
	}
	return code
}

func (w withNode) onceMore() int {
	var names []string
	readers.Range(func(name, _ any) bool { names = append(names, name.(string)); return true })
	if len(names) == 0 {
		return 0
	}
	slices.Sort(names)
	if !given("test.run") { // who asked for some tests gets those
		if err := flag.Set("test.run", "^("+strings.Join(names, "|")+")$"); err != nil {
			panic(err)
		}
	}
	reader = "library"
	fmt.Println("once more, with the reader", reader)
	return w.m.Run()
}

func given(name string) bool { return flag.Lookup(name).Value.String() != "" }

func TestMain(m *testing.M) { goleak.VerifyTestMain(withNode{m}) }

// broker is the shared node with its firehose on.
func broker(t testing.TB) *rabbit.Node {
	t.Helper()
	shared.once.Do(func() {
		var dir string
		if dir, shared.err = os.MkdirTemp("", "calltap-rabbit-"); shared.err == nil {
			shared.node, shared.err = rabbit.Launch(dir, "rabbitmq_management")
		}
		if shared.err == nil {
			_, shared.err = shared.node.Run("trace_on")
		}
	})
	if errors.Is(shared.err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED, NOTHING WAS TESTED: ", shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.node
}
