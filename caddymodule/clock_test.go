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
		after := time.Now()
		require.False(t, n.Before(before) || n.After(after), "by the monotonic clock")
		require.False(t, n.Before(last))
		require.WithinDuration(t, before.Round(0), n.Round(0), time.Second, "by the wall's")
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
			require.Equal(t, time.Now(), now())
		}
		require.True(t, epoch.Load().After(first))
	})
	late := time.Now().Add(time.Hour)
	epoch.Store(&late)
	require.WithinDuration(t, time.Now(), now(), time.Minute)
}
