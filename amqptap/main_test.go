package amqptap

import (
	"errors"
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

// withNode ends the broker after the tests and before goroutines are counted.
type withNode struct{ m *testing.M }

func (w withNode) Run() int {
	code := w.m.Run()
	if shared.node != nil {
		shared.node.Shutdown()
		os.RemoveAll(shared.node.Dir())
	}
	return code
}

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
