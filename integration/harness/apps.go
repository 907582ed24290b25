package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/calltap/calltap/integration/ports"
)

// Nova is the untraced API with its two services, on one vhost of a broker.
type Nova struct {
	Port int // of the API

	API, Conductor, Compute *Process
}

// StartNova starts the three programs and waits until each can be used. A call that its server
// sleeps over (action "sleep") and a GET of a server wait callTimeout seconds for their reply.
func StartNova(dir, amqpURL string, callTimeout int) (*Nova, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	n := &Nova{Port: free[0]}
	transport := "rabbit" + strings.TrimPrefix(amqpURL, "amqp")
	var wait sync.WaitGroup
	errs := make([]error, 3)
	start := func(i int, p **Process, name, script string, args ...string) {
		wait.Go(func() { *p, errs[i] = StartApp(dir, name, script, args...) })
	}
	start(0, &n.API, "nova-api", "api.py", fmt.Sprint(n.Port), transport, fmt.Sprint(callTimeout))
	start(1, &n.Conductor, "nova-conductor", "worker.py", "conductor", transport)
	start(2, &n.Compute, "nova-compute", "worker.py", "compute", transport)
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			n.Stop()
			return nil, err
		}
	}
	return n, nil
}

// Stop ends all three.
func (n *Nova) Stop() {
	if n == nil {
		return
	}
	for _, p := range []*Process{n.API, n.Compute, n.Conductor} {
		p.Kill() // a Python thread that waits for a reply would delay a polite end
	}
}

// StartApp starts one of the Python programs in ../apps and waits until it says that it is ready.
func StartApp(dir, name, script string, args ...string) (*Process, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	return Run(Spec{
		Name: name, Path: python, Dir: dir,
		Args:  append([]string{filepath.Join(Apps(), script)}, args...),
		Env:   []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONWARNINGS=ignore"},
		Ready: saysReady,
	})
}

// RunSelf starts the running binary again with other arguments, and waits until it says that it is ready.
func RunSelf(dir, name string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return Run(Spec{Name: name, Path: self, Args: args, Dir: dir, Ready: saysReady})
}

// saysReady looks for a line that begins with "ready ".
func saysReady(output string) bool { return strings.Contains("\n"+output, "\nready ") }
