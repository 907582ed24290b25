package rabbit

import (
	"errors"
	"os"
	"testing"
)

// Start boots a private node for the length of a test, in a folder of its own. Where RabbitMQ is
// not installed the test is skipped, loudly, except under CI (the variable CI is set): there it
// fails, so that nobody takes a skipped test for a passed one. At the test's end it is killed: a node that is asked takes
// some seconds, most of them for its web server, to end what nobody will read.
func Start(t testing.TB, plugins ...string) *Node {
	t.Helper()
	n, err := Launch(t.TempDir(), plugins...)
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED, NOTHING WAS TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Crash)
	return n
}

// StartPeer is Peer for the length of a test.
func (n *Node) StartPeer(t testing.TB, plugins ...string) *Node {
	t.Helper()
	peer, err := n.Peer(t.TempDir(), plugins...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Crash)
	return peer
}

// Ctl is Run that fails the test.
func (n *Node) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := n.Run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Stop is Shutdown under the name that reads well between Start and Boot.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	n.Shutdown()
}

// Boot starts the node again after Stop or Crash, on the same ports, with its users and durable
// queues. The firehose is off then: a broker forgets trace_on at a restart.
func (n *Node) Boot(t testing.TB) {
	t.Helper()
	if err := n.boot(); err != nil {
		t.Fatal(err)
	}
}

// Restart is Stop and Boot.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Stop(t)
	n.Boot(t)
}

// StartSecure is Start for LaunchSecure.
func StartSecure(t testing.TB) *Secure {
	t.Helper()
	s, err := LaunchSecure(t.TempDir())
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED, NOTHING WAS TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Crash)
	return s
}
