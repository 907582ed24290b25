package amqptap

import (
	"errors"
	"flag"
	"fmt"
	"os"
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

// withNode runs the tests with the one reader and, if there were live ones, once more with the other. It ends the
// broker after the tests and before goroutines are counted.
type withNode struct{ m *testing.M }

func (w withNode) Run() int {
	code := w.m.Run()
	if code == 0 && shared.node != nil && !given("test.bench") && !given("test.fuzz") {
		reader = "library"
		fmt.Println("once more, with the reader", reader)
		code = w.m.Run()
	}
	if shared.node != nil {
		shared.node.Shutdown()
		os.RemoveAll(shared.node.Dir())
	}
	return code
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
