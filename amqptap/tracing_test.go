package amqptap

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/integration/rabbit"
)

// pair is a cluster of two nodes with their management API, for one test.
func pair(t *testing.T) (a, b *rabbit.Node) {
	t.Helper()
	a = rabbit.Start(t, "rabbitmq_management")
	b = a.StartPeer(t, "rabbitmq_management")
	// Its statistics come some seconds later; without them nobody knows that it did not restart.
	require.Eventually(t, func() bool { return uptime(a, b) > 0 }, patience, 100*time.Millisecond)
	return a, b
}

// uptime is what a says of b, 0 if it knows nothing yet.
func uptime(a, b *rabbit.Node) time.Duration {
	var n struct{ Uptime int64 }
	if a.Ask(http.MethodGet, "/api/nodes/"+b.Name(), nil, &n) != nil {
		return 0
	}
	return time.Duration(n.Uptime) * time.Millisecond
}

// vhostOf is what a node says of the vhost /.
func vhostOf(t testing.TB, node *rabbit.Node) management.VHost {
	t.Helper()
	base, err := management.ParseURL(node.Management())
	require.NoError(t, err)
	api, err := management.New(management.Options{URL: base, Username: "guest", Password: "guest"})
	require.NoError(t, err)
	defer api.Close()
	v, err := api.VHost(t.Context(), "/")
	require.NoError(t, err)
	return v
}

func TestTheFirehoseOfACluster(t *testing.T) {
	t.Parallel()
	a, b := pair(t)
	t.Run("a node where it is off is told of", func(t *testing.T) {
		a.Ctl(t, "trace_on")
		tap := start(t, &Source{URL: a.URL(), Management: a.Management()})
		_, fields := tap.awaitLog(t, "THE FIREHOSE IS NOT SEEN TO BE ON EVERYWHERE")
		require.Equal(t, b.Name(), fields["node"])
		require.Equal(t, "rabbitmqctl -n '"+b.Name()+"' trace_on -p '/'", fields["advice"])
		s := tap.awaitStatus(t, "both nodes", func(s Status) bool { return len(s.Tracing) == 2 })
		require.Equal(t, "on", s.Tracing[a.Name()].State)
		require.Equal(t, "off", s.Tracing[b.Name()].State)
	})
	t.Run("by trace on it is on, where it was off", func(t *testing.T) {
		somebodys := map[string]any{"description": "of somebody", "tags": "x,y", "tracing": true}
		require.NoError(t, a.Ask(http.MethodPut, "/api/vhosts/%2F", somebodys, nil))
		before := vhostOf(t, b)
		tap := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true})
		s := tap.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].State == "on" })
		require.Equal(t, NodeTracing{State: "on", ByUs: true}, withoutConnections(s.Tracing[b.Name()]))
		require.Equal(t, NodeTracing{State: "on"}, withoutConnections(s.Tracing[a.Name()]))
		require.True(t, vhostOf(t, b).Tracing)
		tap.seesCalls(t, b.URL(), "on.b", 3) // client and server on the other node
		require.NoError(t, tap.Stop())
		require.True(t, vhostOf(t, a).Tracing, "it was on before")
		after := vhostOf(t, b)
		require.False(t, after.Tracing, "it was off before")
		require.Equal(t, before, after, "description and tags are somebody's")
	})
	t.Run("a reload with other settings keeps it on", func(t *testing.T) {
		old := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true})
		old.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].ByUs })
		renewed := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true, MaxLength: 5000})
		renewed.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].ByUs })
		require.NoError(t, old.Stop())
		require.True(t, vhostOf(t, b).Tracing)
		require.NoError(t, renewed.Stop())
		require.False(t, vhostOf(t, b).Tracing)
	})
	t.Run("an alarm switches it off", func(t *testing.T) {
		tap := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true, Watchdog: hasty()})
		tap.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].ByUs })
		a.Ctl(t, "set_vm_memory_high_watermark", "0.00001")
		require.Eventually(t, func() bool { return !vhostOf(t, b).Tracing }, patience, 100*time.Millisecond)
		require.True(t, vhostOf(t, a).Tracing, "that one is an operator's")
		a.Ctl(t, "set_vm_memory_high_watermark", "0.4")
		require.Eventually(t, func() bool { return vhostOf(t, b).Tracing }, 2*patience, 100*time.Millisecond)
		tap.seesCalls(t, b.URL(), "calm.b", 3)
	})
	t.Run("an operator who switches it off is obeyed", func(t *testing.T) {
		tap := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true})
		tap.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].ByUs })
		b.Ctl(t, "trace_off")
		require.Eventually(t, func() bool {
			tap.nowRunning().recheck() // else each half minute
			return tap.logs.FilterMessageSnippet("somebody switched the firehose off").Len() > 0
		}, 3*patience, 500*time.Millisecond)
		require.False(t, vhostOf(t, b).Tracing)
	})
	t.Run("a node that restarts and forgets it is lit again", func(t *testing.T) {
		tap := start(t, &Source{URL: a.URL(), Management: a.Management(), Trace: true})
		tap.awaitStatus(t, "on", func(s Status) bool { return s.Tracing[b.Name()].ByUs })
		require.Eventually(t, func() bool { return uptime(a, b) > stale+time.Second }, patience, 100*time.Millisecond)
		b.Restart(t)
		require.Eventually(t, func() bool {
			tap.nowRunning().recheck()
			return tap.now().Tracing[b.Name()].ByUs && vhostOf(t, b).Tracing
		}, 3*patience, 500*time.Millisecond)
		require.Zero(t, tap.logs.FilterMessageSnippet("somebody switched").Len())
	})
	t.Run("of nodes that may not be asked the messages tell", func(t *testing.T) {
		b.Ctl(t, "trace_on")
		a.AddUser(t, "tap", "pw", "management")
		a.Allow(t, "/", "tap", rabbit.Tap)
		tap := start(t, &Source{URL: a.URLFor("tap", "pw"), Management: a.Management()})
		s := tap.awaitStatus(t, "asked", func(s Status) bool { return len(s.Tracing) == 2 })
		require.Equal(t, "unknown", s.Tracing[b.Name()].State)
		require.Contains(t, s.Unknown[askedNodes], "401")
		tap.awaitStatus(t, "names", func(s Status) bool { return tap.nowRunning().names.table.Load() != nil })
		tap.seesCalls(t, b.URL(), "unseen.b", 3)
	})
}

func withoutConnections(n NodeTracing) NodeTracing {
	n.Connections = 0
	return n
}
