package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// delayed is call4 with a countdown.
func delayed(by time.Duration) []Message {
	all := call4(callID)
	all[0].NotBefore, all[1].NotBefore = t0+by.Microseconds(), t0+by.Microseconds()
	return all
}

func TestACountdownIsNoServiceTime(t *testing.T) {
	got, _ := observed(t, delayed(6*time.Millisecond)...)
	server := got.one(t, span.KindServer, "reboot")
	require.Equal(t, t0+6000, server.Start)
	require.EqualValues(t, 5000, server.Duration)
	require.Contains(t, server.Tags, span.Tag{Key: "rpc.delayed", Value: "true"})
	require.Equal(t, []span.Timer{{Name: "queue_wait", Micros: 1000}}, server.Timers)
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "reboot").Duration, "the caller waits all the same")
}

// Who sends a countdown has a clock of his own, and may be anybody.
func TestACountdownThatCannotBeIsNotBelieved(t *testing.T) {
	for name, by := range map[string]time.Duration{"over": 0, "before the delivery": time.Millisecond, "after the reply": 11 * time.Millisecond, "for ages": 1 << 62} {
		got, _ := observed(t, delayed(by)...)
		server := got.one(t, span.KindServer, "reboot")
		require.Equal(t, t0+1000, server.Start, name)
		require.EqualValues(t, 10_000, server.Duration, name)
		require.NotContains(t, server.Tags, span.Tag{Key: "rpc.delayed", Value: "true"}, name)
	}
}

func TestACallTimesOutAfterItsCountdown(t *testing.T) {
	all := delayed(time.Minute)
	shift(all[2:], time.Minute)
	got, stats := observed(t, all...)
	require.Zero(t, stats.Timeouts, "its own timeout of 10 s counts from then on")
	require.Empty(t, got.one(t, span.KindClient, "reboot").Error)
}
