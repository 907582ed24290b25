package integration

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

// startNameko starts the three services of apps/nameko_rpc.py, each a program of its own.
func startNameko(t *testing.T, l *lab) {
	t.Helper()
	var wait sync.WaitGroup
	for _, name := range []string{"front", "orders", "stock"} {
		wait.Go(func() { serve(t, "nameko_rpc.py", "serve", l.url(), name) })
	}
	wait.Wait()
}

// namekoTree is what front.buy causes, but for the handler that does nothing.
const namekoTree = `CLIENT nameko-rpc buy
  SERVER front buy
    CLIENT front place
      SERVER orders place
        CLIENT orders take
          SERVER stock take
        PRODUCER orders placed
          CONSUMER stock placed
            CLIENT stock hello
              SERVER front hello
`

func TestNamekoCallsThroughThreeServicesAreOneTrace(t *testing.T) {
	l := ownVHost(t, rabbit.Tap)
	c := startTapped(t, l, dialectCaddyfile)
	startNameko(t, l)
	require.Equal(t, outcome{Result: map[string]any{"thing": "book", "left": 7.0}}, runForOutcome(t, "nameko_rpc.py", "call", l.url(), "buy"))

	whole := traceOf(t, c, "front", "buy", 11)
	trace := without(whole, "stock.tell")
	require.Len(t, trace, 10)
	require.Equal(t, namekoTree, drawing(byName(trace)))
	for _, s := range trace {
		require.Equal(t, "nameko", s.Tags["rpc.system"])
		if s.Kind != "CONSUMER" { // events have no id: which delivery is of which is told by their order
			require.NotEqual(t, "guessed", s.Tags["calltap.parent"], "%s: the call stack tells the parent", s.Name)
		}
		require.Empty(t, s.Tags["error"])
	}
	require.Equal(t, "place", find(trace, "SERVER", "place").Tags["rpc.method"])
	require.Equal(t, "orders.place", find(trace, "SERVER", "place").Tags["calltap.key"])
	requireTimesNest(t, trace)
}

func TestNamekoFailuresAreTheClassThatTheServiceRaised(t *testing.T) {
	l := ownVHost(t, rabbit.Tap)
	c := startTapped(t, l, dialectCaddyfile)
	startNameko(t, l)
	for _, f := range []struct {
		method string
		got    outcome
		spans  int
		errors map[string]string // of CLIENT spans, by name
	}{
		{"boom", outcome{Exception: "RemoteError", Of: "ValueError"}, 2, map[string]string{"boom": "ValueError"}},
		{"deep_boom", outcome{Exception: "RemoteError", Of: "RemoteError"}, 6,
			map[string]string{"deep_boom": "RemoteError", "fail": "RemoteError", "lose": "KeyError"}},
		{"no_such_method", outcome{Exception: "MethodNotFound"}, 2, map[string]string{"no_such_method": "MethodNotFound"}},
	} {
		require.Equal(t, f.got, runForOutcome(t, "nameko_rpc.py", "call", l.url(), f.method))
		trace := traceOf(t, c, "front", f.method, f.spans)
		for name, class := range f.errors {
			require.Equal(t, class, find(trace, "CLIENT", name).Tags["error"], name)
			require.Equal(t, class, find(trace, "SERVER", name).Tags["error"], name)
		}
	}

	// The tap must not be what makes an unknown service a timeout: see docs/rabbitmq.md about mirrors.
	require.Equal(t, outcome{Exception: "UnknownService"}, runForOutcome(t, "nameko_rpc.py", "call", l.url(), "no_such_service"))
	require.Equal(t, "unroutable", onlyOf(t, traceOf(t, c, "nameko-rpc", "hello", 1), "CLIENT").Tags["error"])
}
