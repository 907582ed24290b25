package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// celeryRig is a worker with a queue of its own, and a tap that sees it.
type celeryRig struct {
	*harness.Calltap
	url     string
	queue   string
	backend string
}

func startCelery(t *testing.T, backend string) *celeryRig {
	t.Helper()
	l := ownVHost(t, rabbit.Tap)
	r := &celeryRig{Calltap: startTapped(t, l, dialectCaddyfile), url: l.url(), queue: service(t), backend: backend}
	serve(t, "celery_tasks.py", "worker", r.url, r.queue, backend)
	return r
}

// send sends tasks by a version of the protocol and returns what their sender got.
func (r *celeryRig) send(t *testing.T, version, shape string) outcome {
	t.Helper()
	return runForOutcome(t, "celery_tasks.py", "send", r.url, r.queue, r.backend, version, shape)
}

// trace waits for the trace of a task, which has its id, to have n spans.
func (r *celeryRig) trace(t *testing.T, id string, n int) (trace []harness.Span) {
	t.Helper()
	harness.Eventually(t, patience, func() (err error) {
		trace, err = r.Store().Trace(strings.ReplaceAll(id, "-", ""))
		if err == nil && len(trace) != n {
			err = errSpans(trace, n)
		}
		return err
	})
	requireNoSecrets(t, trace)
	return trace
}

// requireTree compares a trace with a drawing, in which QUEUE is the worker's service.
func (r *celeryRig) requireTree(t *testing.T, want string, trace []harness.Span) {
	t.Helper()
	require.Equal(t, want, strings.ReplaceAll(drawing(byName(trace)), r.queue, "QUEUE"))
	for _, s := range trace {
		require.NotEqual(t, "guessed", s.Tags["calltap.parent"], "%s: Celery tells the parent", s.Name)
	}
}

// What a task causes hangs below it, whatever its form, and is in the trace that has the id of the first task.
func TestCeleryTasksAreOneTraceWithWhatTheyCause(t *testing.T) {
	r := startCelery(t, "rpc")
	for _, c := range []struct {
		shape     string
		result    any
		exception string
		tree      string
	}{
		{"add", 5.0, "", `CLIENT rpc shop.add
  SERVER QUEUE shop.add
`},
		{"fail", nil, "ValueError", `CLIENT rpc shop.fail
  SERVER QUEUE shop.fail
`},
		{"progress", "done", "", `CLIENT rpc shop.progress
  SERVER QUEUE shop.progress
`},
		{"countdown", 5.0, "", `CLIENT rpc shop.add
  SERVER QUEUE shop.add
`},
		{"log", nil, "", `PRODUCER rpc shop.log
  CONSUMER QUEUE shop.log
`},
		{"chain", 10.0, "", `CLIENT rpc shop.add
  SERVER QUEUE shop.add
    CLIENT QUEUE shop.add
      SERVER QUEUE shop.add
        CLIENT QUEUE shop.add
          SERVER QUEUE shop.add
`},
		{"outer", 1.0, "", `CLIENT rpc shop.outer
  SERVER QUEUE shop.outer
    CLIENT QUEUE shop.outer
      SERVER QUEUE shop.outer
        PRODUCER QUEUE shop.log
          CONSUMER QUEUE shop.log
    PRODUCER QUEUE shop.log
      CONSUMER QUEUE shop.log
`},
		{"errback", nil, "ValueError", `CLIENT rpc shop.fail
  SERVER QUEUE shop.fail
    PRODUCER QUEUE shop.log
      CONSUMER QUEUE shop.log
`},
		{"flaky", 1.0, "", `CLIENT rpc shop.flaky
  SERVER QUEUE shop.flaky
    PRODUCER QUEUE shop.flaky
      CONSUMER QUEUE shop.flaky
`},
	} {
		t.Run(c.shape, func(t *testing.T) {
			t.Parallel()
			got := r.send(t, "2", c.shape)
			require.Equal(t, c.result, got.Result)
			require.Equal(t, c.exception, got.Exception)
			trace := r.trace(t, got.IDs[0], strings.Count(c.tree, "\n"))
			r.requireTree(t, c.tree, trace)
			for _, s := range trace {
				require.Equal(t, "celery", s.Tags["rpc.system"])
				if s.Name == "shop.fail" {
					require.Equal(t, "ValueError", s.Tags["error"])
				} else {
					require.Empty(t, s.Tags["error"], s.Name)
				}
			}
			if c.shape == "countdown" {
				call, work := onlyOf(t, trace, "CLIENT"), onlyOf(t, trace, "SERVER")
				require.Equal(t, "true", work.Tags["rpc.delayed"])
				require.Greater(t, call.Duration, 2*work.Duration, "the worker had the task for a second before its time came")
			}
		})
	}
	t.Run("group", func(t *testing.T) {
		t.Parallel()
		got := r.send(t, "2", "group")
		require.Equal(t, []any{2.0, 4.0, 6.0}, got.Result)
		require.Len(t, got.IDs, 3)
		for _, id := range got.IDs {
			trace := r.trace(t, id, 2)
			require.Equal(t, onlyOf(t, trace, "CLIENT").ID, onlyOf(t, trace, "SERVER").ParentID)
		}
	})
}

func TestCeleryVersion1(t *testing.T) {
	r := startCelery(t, "rpc")
	require.Equal(t, 10.0, r.send(t, "1", "chain").Result)
	require.Equal(t, "ValueError", r.send(t, "1", "fail").Exception)
	r.requireTree(t, `CLIENT rpc shop.add
  SERVER QUEUE shop.add
    CLIENT QUEUE shop.add
      SERVER QUEUE shop.add
        CLIENT QUEUE shop.add
          SERVER QUEUE shop.add
`, traceOf(t, r.Calltap, r.queue, "shop.add", 6))
	failed := traceOf(t, r.Calltap, r.queue, "shop.fail", 2)
	require.Equal(t, "ValueError", onlyOf(t, failed, "CLIENT").Tags["error"])
	require.Equal(t, fmt.Sprintf("%s.shop_fail", r.queue), onlyOf(t, failed, "SERVER").Tags["calltap.key"])
}

// Most of Celery's users keep results elsewhere, or nowhere. reply_to is set all the same, so each task would be a timeout.
// The worker's span is given up a minute later only, as its result may yet come.
func TestCeleryWithoutResultsIsNoTimeout(t *testing.T) {
	r := startCelery(t, "none")
	sent := r.send(t, "2", "add")
	call := onlyOf(t, r.trace(t, sent.IDs[0], 1), "CLIENT")
	require.Equal(t, "shop.add", call.Name)
	require.Empty(t, call.Tags["error"])
	require.Empty(t, call.Tags["calltap.incomplete"])
	require.Zero(t, call.Duration)
}
