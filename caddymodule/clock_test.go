package caddymodule

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNowIsTheTime(t *testing.T) {
	last := now()
	for range 100_000 {
		before := time.Now()
		n := now()
		require.GreaterOrEqual(t, n.passed(), time.Duration(0))
		require.LessOrEqual(t, n.passed(), time.Since(before), "by the monotonic clock")
		require.GreaterOrEqual(t, n.mono, last.mono)
		require.WithinDuration(t, before.Round(0), time.UnixMicro(n.wall), time.Second, "by the wall's")
		last = n
	}
}

// An epoch that is too old, or in the future, is not counted on from.
func TestNowForgetsItsEpoch(t *testing.T) {
	defer epoch.Store(nil)
	synctest.Test(t, func(t *testing.T) {
		epoch.Store(nil)
		first := now()
		for _, step := range []time.Duration{time.Millisecond, epochLife, time.Hour} {
			time.Sleep(step)
			require.Equal(t, time.Now().UnixMicro(), now().wall)
		}
		require.Greater(t, epoch.Load().mono, first.mono)
	})
	epoch.Store(&moment{monotonic() + time.Hour, 1})
	require.WithinDuration(t, time.Now(), time.UnixMicro(now().wall), time.Minute)
}
