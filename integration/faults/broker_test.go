package faults

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What was answered before the broker was killed and after it came back is whole; what was under way is no timeout, since nobody
// knows whether it was answered.
func TestAKilledBroker(t *testing.T) {
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	c := startTap(t, addressOf(node.Port, vhost))
	awaitBound(t, c)
	http := startVisitors(t, c)
	l := startLoad(t, address, "before", Options{})
	l.await(t, "before", 50)

	l.enter("killed")
	node.Crash()
	awaitStatus(t, c, "the tap did not notice", func(s tapStatus) bool { return !s.Connected })
	node.Boot(t)
	node.SetFirehose(t, vhost, true) // which it forgot
	awaitBound(t, c)

	l.enter("after")
	l.await(t, "after", 50)
	l.stop()
	requireUnhurt(t, l.of("after"))
	requireWhole(t, c, l.of("after"))
	requireWhole(t, c, l.of("before")[:49]) // of the last the copies may have died with the broker
	http.requireServed(t, c)
	for _, o := range l.all() {
		spans, err := c.Store().Trace(o.trace)
		require.NoError(t, err)
		for _, s := range spans {
			require.Empty(t, s.Tags["error"], "%+v of %+v", s, o)
		}
	}
	s := statusOf(t, c)
	require.Equal(t, 2, s.Connects)
	require.Zero(t, s.Pairer.Timeouts)
	t.Logf("calls before %d, in the outage %d (answered %d), after %d; failed attempts of the tap to connect %d",
		len(l.of("before")), len(l.of("killed")), len(answered(l.of("killed"))), len(l.of("after")), s.Failures)
}

// The alarm stops every publisher: their calls are late and none is lost. The tap goes off the broker, whose memory it is to spare,
// and comes back after.
func TestAMemoryAlarm(t *testing.T) {
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	c := startTap(t, addressOf(node.Port, vhost), "management "+node.Management(), "watchdog {", "pause 1s", "}")
	awaitBound(t, c)
	http := startVisitors(t, c)
	l := startLoad(t, address, "before", Options{Wait: patience})
	before := l.await(t, "before", 50)

	node.Ctl(t, "set_vm_memory_high_watermark", "0.00001")
	calm := func() { node.Ctl(t, "set_vm_memory_high_watermark", "0.4") }
	t.Cleanup(calm)
	s := awaitStatus(t, c, "no alarm", func(s tapStatus) bool { return s.Watchdog.State == "held" && !s.Bound && len(s.Alarms) == 1 })
	require.True(t, s.Connected, "the connection stays")
	require.Equal(t, "memory", s.Alarms[0].Resource)
	require.Equal(t, "memory alarm of "+node.Name(), s.Watchdog.Why)
	calm()
	awaitStatus(t, c, "not back", func(s tapStatus) bool { return s.Watchdog.State == "watching" && s.Bound && len(s.Alarms) == 0 })

	l.enter("after")
	l.await(t, "after", 50)
	l.stop()
	requireUnhurt(t, l.all())
	requireWhole(t, c, before)
	requireWhole(t, c, l.of("after"))
	http.requireServed(t, c)
	slowest := quantile(replies(l.of("before")), 1)
	require.Greater(t, slowest, 1000.0, "the alarm stopped nobody, so this test shows nothing")
	s = statusOf(t, c)
	require.Equal(t, 1, s.Watchdog.Trips)
	require.Equal(t, 1, s.Connects)
	require.Zero(t, s.Pairer.Timeouts)
	t.Logf("the slowest of %d calls took %.0f ms; none was lost", len(l.all()), slowest)
}
