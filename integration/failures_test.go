package integration

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

func TestAFailedCallCarriesTheClassOfItsException(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	require.Equal(t, 500, do(t, c, "POST", "/v2.1/servers/canary/action", `{"fail": {}}`).Status)

	trace := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 3)
	for _, kind := range []string{"CLIENT", "SERVER"} {
		require.Equal(t, "InstanceBroken", find(trace, kind, "fail").Tags["error"], drawing(trace))
	}
	require.Equal(t, "500", find(trace, "SERVER", "/action").Tags["error"])
	for _, s := range trace {
		require.NotContains(t, fmt.Sprint(s.Tags), "a canary in a message", "the exception's text is not ours to pass on")
	}
	requireCounter(t, l, "nova.compute.fail.error", 1)
	requireCounter(t, l, "nova.compute.fail.calls", 1)
}

func TestACallWithoutAReplyEndsAtItsTimeout(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	require.Equal(t, 504, do(t, c, "POST", "/v2.1/servers/7/action", `{"sleep": {}}`).Status)

	trace := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 3)
	call := find(trace, "CLIENT", "sleep")
	require.Equal(t, "timeout", call.Tags["error"], drawing(trace))
	require.InDelta(t, callTimeout*1e6, call.Duration, 0.5e6, "the call ends when the caller gave up")
}

// requireCounter waits until a counter of this test has a value at StatsD.
func requireCounter(t *testing.T, l *lab, name string, want float64) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		counters, err := l.statsd.Counters()
		if got := counters[service(t)+"."+name]; err == nil && got != want {
			err = fmt.Errorf("counter %s is %v, want %v", name, got, want)
		}
		return err
	})
}
