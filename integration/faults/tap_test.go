package faults

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// tapStatus is the part of the tap's status that these tests look at.
type tapStatus struct {
	Connected bool                        `json:"connected"`
	Bound     bool                        `json:"bound"`
	Queue     string                      `json:"queue"`
	LastError string                      `json:"last_error"`
	Connects  int                         `json:"connects"`
	Failures  int                         `json:"failures"`
	Published int64                       `json:"published"`
	Panics    int64                       `json:"panics"`
	Drops     int64                       `json:"drops_estimate"`
	Dialects  map[string]map[string]int64 `json:"dialects"`
	Unknown   map[string]string           `json:"unknown"`
	Alarms    []struct{ Node, Resource string }
	Refused   []struct{ Exchange, Key, Why string }
	Tracing   map[string]struct{ State string }
	Watchdog  struct {
		State, Why string
		Trips      int
	}
	Pairer struct {
		Open, Calls, Timeouts, Incomplete int64
	}
}

func statusOf(t testing.TB, c *harness.Calltap) (s tapStatus) {
	t.Helper()
	all, err := c.Status()
	require.NoError(t, err)
	require.NoError(t, all.Pipeline.Balance())
	require.Len(t, all.Sources, 1)
	text, err := json.Marshal(all.Sources[0].Status)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	require.Zero(t, s.Panics)
	return s
}

// awaitStatus waits for a status.
func awaitStatus(t testing.TB, c *harness.Calltap, what string, ok func(tapStatus) bool) (s tapStatus) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		if s = statusOf(t, c); !ok(s) {
			return fmt.Errorf("%s; the status is %+v", what, s)
		}
		return nil
	})
	return s
}

func awaitBound(t testing.TB, c *harness.Calltap) tapStatus {
	t.Helper()
	return awaitStatus(t, c, "the tap does not see messages", func(s tapStatus) bool { return s.Connected && s.Bound })
}

// requireWhole waits until calltap has the whole call of each outcome: both its ends and no fault. Of many it looks at a
// hundred.
func requireWhole(t testing.TB, c *harness.Calltap, outcomes []outcome) {
	t.Helper()
	require.NotEmpty(t, outcomes)
	step := max(1, len(outcomes)/100)
	for i := 0; i < len(outcomes); i += step {
		if o := outcomes[i]; o.failed == "" {
			harness.Eventually(t, patience, func() error { return whole(c, o) })
		}
	}
}

func whole(c *harness.Calltap, o outcome) error { return hasSpans(c, o, "CLIENT", "SERVER") }

// hasSpans fails unless the call has spans of these kinds, in the order of the alphabet, without a fault.
func hasSpans(c *harness.Calltap, o outcome, want ...string) error {
	spans, err := c.Store().Trace(o.trace)
	if err != nil {
		return err
	}
	var kinds []string
	for _, s := range spans {
		if s.Tags["error"] != "" || s.Tags["calltap.incomplete"] != "" {
			return fmt.Errorf("a call that was answered: %+v", s)
		}
		kinds = append(kinds, s.Kind)
	}
	if slices.Sort(kinds); !slices.Equal(kinds, want) {
		return fmt.Errorf("call %s has spans %v, want %v", o.trace, kinds, want)
	}
	return nil
}

// requireCounter waits until a counter of this test has a value at StatsD.
func requireCounter(t testing.TB, name string, want int) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		counters, err := shared.statsd.Counters()
		if got := counters[nameOf(t)+"."+name]; err == nil && got != float64(want) {
			err = fmt.Errorf("counter %s is %v, want %d", name, got, want)
		}
		return err
	})
}

// goroutines is how many calltap runs for its tap, and what they do. Those of Caddy come and go.
func goroutines(t testing.TB, c *harness.Calltap) (n int, all string) {
	t.Helper()
	text, err := harness.Get(c.AdminURL() + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	for group := range strings.SplitSeq(string(text), "\n\n") { // of goroutines with the same stack: "COUNT @ ADDRESSES\n# …"
		if !strings.Contains(group, "calltap/amqptap") && !strings.Contains(group, "amqp091-go") {
			continue
		}
		group = group[strings.LastIndex("\n"+group[:strings.Index(group, " @ ")], "\n"):]
		count, err := strconv.Atoi(group[:strings.Index(group, " ")])
		require.NoError(t, err)
		n += count
		all += group + "\n"
	}
	require.Positive(t, n)
	return n, all
}

// requireNoMoreGoroutines waits until calltap runs no more of them than it did.
func requireNoMoreGoroutines(t testing.TB, c *harness.Calltap, before int, where string) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		if now, all := goroutines(t, c); now > before {
			return fmt.Errorf("%d goroutines, %d before\n%s\n---- before ----\n%s", now, before, all, where)
		}
		return nil
	})
}

// requireLogged waits until calltap has logged a line with all these words.
func requireLogged(t testing.TB, c *harness.Calltap, words ...string) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
	lines:
		for line := range strings.Lines(c.Output()) {
			for _, word := range words {
				if !strings.Contains(line, word) {
					continue lines
				}
			}
			return nil
		}
		return fmt.Errorf("no line of the log has all of %q", words)
	})
}
