package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// dialectCaddyfile is a tap alone. Calls that name no timeout have one of the tests' patience.
const dialectCaddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		store
		statsd {$STATSD} {
			prefix {$PREFIX}
		}
		rabbitmq {$RABBITMQ} {
			firehose
			quiet 2s
			timeout 10s
		}
	}
}
`

// serve starts one of ../apps' programs for the length of a test.
func serve(t *testing.T, script string, args ...string) *harness.Process {
	t.Helper()
	name := strings.TrimSuffix(script, ".py") + "-" + args[len(args)-1]
	p, err := harness.StartApp(t.TempDir(), name, script, args...)
	harness.Need(t, err)
	harness.ShowOnFailure(t, p)
	t.Cleanup(p.Kill)
	return p
}

// run runs one of ../apps' programs to its end and returns what it printed.
func run(t *testing.T, script string, args ...string) string {
	t.Helper()
	python, err := harness.Python()
	harness.Need(t, err)
	out, err := harness.Exec(python, t.TempDir(), []string{"PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore"},
		append([]string{filepath.Join(harness.Apps(), script)}, args...)...)
	require.NoError(t, err)
	return strings.TrimSpace(out)
}

// outcome is what a calling program says that it got.
type outcome struct {
	IDs       []string `json:"ids"` // of Celery's tasks
	Result    any      `json:"result"`
	Exception string   `json:"exception"`
	Of        string   `json:"of"` // the remote exception's class, where the library wraps it
}

func runForOutcome(t *testing.T, script string, args ...string) (o outcome) {
	t.Helper()
	out := run(t, script, args...)
	require.NoError(t, json.Unmarshal([]byte(out), &o), out)
	return o
}

// traceOf waits until exactly one trace has a span of that service and name and that trace has n spans.
func traceOf(t *testing.T, c *harness.Calltap, service, name string, n int) []harness.Span {
	t.Helper()
	traces := tracesOf(t, c, service, name, 1, n)
	return traces[0]
}

// tracesOf waits until exactly so many traces have a span of that service and name, of n spans in all.
func tracesOf(t *testing.T, c *harness.Calltap, service, name string, traces, n int) (found [][]harness.Span) {
	t.Helper()
	harness.Eventually(t, patience, func() (err error) {
		found, err = c.Store().Traces(url.Values{"serviceName": {service}, "spanName": {name}, "limit": {"1000"}})
		if err != nil {
			return err
		}
		var all []harness.Span
		for _, trace := range found {
			all = append(all, trace...)
		}
		if len(found) != traces || len(all) != n {
			return fmt.Errorf("%d traces with %d spans, want %d with %d:\n%s", len(found), len(all), traces, n, drawing(all))
		}
		return nil
	})
	for _, trace := range found {
		requireNoSecrets(t, trace)
	}
	return found
}

// without leaves out the spans of a queue whose name contains the word, each of them without children.
func without(trace []harness.Span, word string) (rest []harness.Span) {
	for _, s := range trace {
		if !strings.Contains(s.Tags["amqp.queue"], word) {
			rest = append(rest, s)
		}
	}
	return rest
}

// byName gives spans times by which a drawing has those of one parent in the order of their kinds and names: what a program sends
// at once over two connections comes in either order.
func byName(trace []harness.Span) []harness.Span {
	trace = slices.Clone(trace)
	slices.SortFunc(trace, func(a, b harness.Span) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	for i := range trace {
		trace[i].Timestamp = int64(i)
	}
	return trace
}
