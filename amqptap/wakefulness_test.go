package amqptap

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATapThatSleptIsUnsureForAWhile(t *testing.T) {
	var w wakefulness
	now := time.Unix(1e9, 0).UnixMicro()
	pass := func(d time.Duration) bool { now += d.Microseconds(); return w.slept(now) }
	require.False(t, pass(0), "the first time")
	for range 100 {
		require.False(t, pass(tickTime))
	}
	require.False(t, pass(sleepTime), "a slow machine")
	require.True(t, pass(10*time.Second))
	for range 19 {
		require.True(t, pass(tickTime), "what is read now is from before")
	}
	require.False(t, pass(tickTime))
}
