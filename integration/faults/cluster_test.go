package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// Each node of a cluster shows the messages of its own connections, if its firehose is on. Where it is off, calls lack what was
// said there, and the status and the log say so.
func TestACluster(t *testing.T) {
	t.Parallel()
	parts(t)
	a := rabbit.Start(t, "rabbitmq_management")
	b := a.StartPeer(t, "rabbitmq_management")
	require.NoError(t, addTap(a))
	vhost := newVHost(t, a) // which switches the firehose on at that node only
	serve(t, b.URL()+vhost)
	c := startTap(t, addressOf(a.Port, vhost), "management "+a.Management())
	l := startLoad(t, a.URL()+vhost, "starting", Options{})
	s := awaitStatus(t, c, "not both nodes", func(s tapStatus) bool { return s.Bound && len(s.Tracing) == 2 })
	require.Equal(t, "on", s.Tracing[a.Name()].State)
	require.Equal(t, "off", s.Tracing[b.Name()].State)
	requireLogged(t, c, "THE FIREHOSE IS NOT SEEN TO BE ON EVERYWHERE", b.Name(), "trace_on")

	l.enter("one node")
	half := l.await(t, "one node", 30)
	for _, o := range half {
		harness.Eventually(t, patience, func() error { return hasSpans(c, o, "CLIENT") })
	}
	require.Positive(t, statusOf(t, c).Drops, "what was not seen is not estimated")

	b.SetFirehose(t, vhost, true)
	l.enter("both nodes")
	requireWhole(t, c, l.await(t, "both nodes", 30))
	lookNow := func(prefetch string) { // a tap with other settings looks at once, not in half a minute
		require.NoError(t, c.Write(with("management "+a.Management(), "prefetch "+prefetch)))
		require.NoError(t, c.Reload())
	}
	lookNow("999")
	awaitStatus(t, c, "not on everywhere", func(s tapStatus) bool {
		return s.Bound && s.Tracing[a.Name()].State == "on" && s.Tracing[b.Name()].State == "on"
	})

	l.enter("restart")
	b.Restart(t)
	l.enter("restarted")
	l.await(t, "restarted", 30)
	require.Equal(t, 1, statusOf(t, c).Connects, "the tap's own node did not restart")
	if !long {
		lookNow("998")
	}
	awaitStatus(t, c, "that the node forgot its firehose went unnoticed", func(s tapStatus) bool {
		return s.Bound && s.Tracing[a.Name()].State == "on" && s.Tracing[b.Name()].State == "off"
	})
	b.SetFirehose(t, vhost, true)
	l.enter("lit again")
	requireWhole(t, c, l.await(t, "lit again", 30))
	l.stop()
	for _, phase := range []string{"one node", "both nodes", "lit again"} {
		requireUnhurt(t, l.of(phase))
	}
	ratio(t, "confirms, both nodes ÷ one node", 0.5, confirms(l.of("both nodes")), confirms(half))
}
