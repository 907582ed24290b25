package amqptap

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
)

// A tap that switches on right after its node has booted, as it does after each restart, must obey who switches off later: the node's
// statistics are older than it was then.
func TestStaleStatisticsAreNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boot := time.Now()
		says := func(age time.Duration) management.Node { // statistics of that age
			return management.Node{Uptime: (time.Since(boot) - age).Milliseconds()}
		}
		time.Sleep(6 * time.Second)
		l := &lit{boot: bootOf(says(5 * time.Second))}
		for _, age := range []time.Duration{0, 2 * time.Second, 5 * time.Second} {
			time.Sleep(30 * time.Second)
			l.shines(says(age))
		}
		require.Equal(t, boot, l.boot)

		restarted, left := l.judge(says(5 * time.Second))
		require.False(t, restarted)
		require.False(t, left, "the statistics may be of before a restart")
		time.Sleep(stale + time.Second)
		restarted, left = l.judge(says(5 * time.Second))
		require.False(t, restarted)
		require.True(t, left)

		l.shines(says(0))
		require.Zero(t, l.dark)
		restarted, left = l.judge(says(0)) // the last that was known of it before it restarted
		require.False(t, restarted || left)
		boot = time.Now()
		time.Sleep(6 * time.Second)
		restarted, left = l.judge(management.Node{}) // it is up, and tells nothing yet
		require.False(t, restarted || left)
		restarted, _ = l.judge(says(5 * time.Second))
		require.True(t, restarted)
	})
}
