package integration

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// Tach named its timers by helpers that were configured beside the service; an operator who comes
// from it finds the same names. See keyrules for the two built-ins used here.
func TestTachsTimersArriveAtARealStatsD(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers", "{}").Status)
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers/7/action", `{"reboot": {}}`).Status)
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)

	for name, want := range map[string]int{
		"nova.api.servers.create.POST":             1,
		"nova.api.servers.index.GET":               1,
		"nova.conductor.build_instance":            1, // the work
		"nova.conductor.build_instance.total":      1, // as the caller saw it
		"nova.conductor.build_instance.queue_wait": 1,
		"nova.compute.prepare_instance":            1,
		"nova.compute.prepare_instance.reply_wait": 1,
		"nova.compute.run_instance.queue_wait":     1, // of a cast only the wait is sure
		"nova.conductor.instance_update":           1,
		"nova.compute.reboot_instance.queue_wait":  1,
	} {
		requireTimer(t, l, name, want)
	}
	requireCounter(t, l, "nova.compute.run_instance.calls", 1)
	requireCounter(t, l, "nova.compute.run_instance.sent", 1)
	requireCounter(t, l, "nova.compute.run_instance.received", 1)
	counters, err := l.statsd.Counters()
	require.NoError(t, err)
	require.Zero(t, counters["statsd.bad_lines_seen"])
}

// requireTimer waits until a timer of this test has a number of values at StatsD, none of them absurd.
func requireTimer(t *testing.T, l *lab, name string, want int) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		timers, err := l.statsd.Timers()
		if err != nil {
			return err
		}
		got := timers[service(t)+"."+name]
		if got.Count != want {
			return fmt.Errorf("timer %s has %d values, want %d; there are %v", name, got.Count, want, own(timers, service(t)))
		}
		for _, ms := range got.Numbers {
			if ms < 0 || ms > 20_000 {
				return fmt.Errorf("timer %s says %v ms", name, ms)
			}
		}
		return nil
	})
}

func own(timers map[string]harness.Values, prefix string) (names []string) {
	for name := range timers {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			names = append(names, name[len(prefix)+1:])
		}
	}
	return names
}
