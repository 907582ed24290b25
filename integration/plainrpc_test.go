package integration

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// plainClient runs apps/plain_rpc.py as a client, to its end.
func plainClient(t *testing.T, l *lab, queue, body string, headers ...string) string {
	t.Helper()
	python, err := harness.Python()
	harness.Need(t, err)
	script := filepath.Join(harness.Apps(), "plain_rpc.py")
	args := append([]string{script, "client", l.broker.URL(), queue, body}, headers...)
	reply, err := harness.Exec(python, t.TempDir(), nil, args...)
	require.NoError(t, err)
	return reply
}

func startPlainServer(t *testing.T, l *lab, queue string) {
	t.Helper()
	p, err := harness.StartApp(t.TempDir(), "plain", "plain_rpc.py", "server", l.broker.URL(), queue)
	harness.Need(t, err)
	harness.ShowOnFailure(t, p)
	t.Cleanup(p.Kill)
}

func TestPlainRPCIsPairedByReplyToAndCorrelationID(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	queue := service(t)
	startPlainServer(t, l, queue)
	require.Equal(t, "reply to 30\n", plainClient(t, l, queue, "30"))

	trace := awaitTrace(t, c.Store(), queue, 2)
	call, work := onlyOf(t, trace, "CLIENT"), onlyOf(t, trace, "SERVER")
	require.Empty(t, call.ParentID, "nothing tells a cause, so it is a root")
	require.Equal(t, call.ID, work.ParentID)
	require.Equal(t, queue, work.Local.ServiceName)
	require.LessOrEqual(t, work.Duration, call.Duration)
	requireTimesNest(t, trace)
}

func TestPlainRPCWithTraceHeadersJoinsTheirTrace(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	queue := service(t)
	startPlainServer(t, l, queue)
	const parent = "00f067aa0ba902b7"
	for _, form := range []struct{ trace, header string }{
		{"4bf92f3577b34da6a3ce929d0e0e4711", "b3=4bf92f3577b34da6a3ce929d0e0e4711-" + parent + "-1"},
		{"4bf92f3577b34da6a3ce929d0e0e4712", "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4712-" + parent + "-01"},
	} {
		plainClient(t, l, queue, `{"method": "fib"}`, form.header)
		var trace []harness.Span
		harness.Eventually(t, patience, func() (err error) {
			if trace, err = c.Store().Trace(form.trace); err == nil && len(trace) != 2 {
				err = errSpans(trace, 2)
			}
			return err
		})
		require.Equal(t, parent, onlyOf(t, trace, "CLIENT").ParentID, form.header)
	}
}

func onlyOf(t *testing.T, trace []harness.Span, kind string) harness.Span {
	t.Helper()
	span := find(trace, kind, "")
	require.NotEmpty(t, span.ID, "%s in\n%s", span.Name, drawing(trace))
	return span
}

// Without a correlation id calls and replies of one client are told apart by their order alone.
func TestPlainRPCWithoutCorrelationID(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, dialectCaddyfile)
	queue := service(t)
	startPlainServer(t, l, queue)
	for shape, end := range map[string]string{
		"uncorrelated": "",
		"direct":       "reply_published", // RabbitMQ before 4.2 does not show the delivery of such a reply
	} {
		require.Equal(t, "reply to 30", run(t, "plain_rpc.py", shape, l.broker.URL(), queue, `30`))
		var call, work harness.Span
		harness.Eventually(t, patience, func() error {
			traces, err := c.Store().Traces(url.Values{"serviceName": {queue}, "limit": {"10"}})
			if err != nil {
				return err
			}
			for _, trace := range traces {
				call, work = find(trace, "CLIENT", ""), find(trace, "SERVER", "")
				if call.ID != "" && work.ID != "" && call.Tags["calltap.end"] == end {
					return nil
				}
			}
			return fmt.Errorf("no whole %s call in %d traces", shape, len(traces))
		})
		require.Equal(t, call.ID, work.ParentID)
		require.Positive(t, call.Duration)
		require.Positive(t, work.Duration)
		require.Empty(t, call.Tags["error"])
	}
}
