package integration

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/integration/rabbit"
)

// httpOnly has no broker, for what concerns the sinks alone.
var httpOnly = strings.ReplaceAll(novaCaddyfile, `		rabbitmq {$RABBITMQ} {
			firehose
			quiet 2s
		}
`, "")

func TestNoSpanIsLostWhileZipkinIsDown(t *testing.T) {
	l := theLab(t)
	zipkin, err := harness.NewZipkin(t.TempDir())
	harness.Need(t, err)
	t.Cleanup(func() { zipkin.Kill() })
	options := l.options()
	options["ZIPKIN"] = string(zipkin.ZipkinAPI)
	c := start(t, httpOnly, options)

	for outage := range 2 { // at the start, and in mid-run
		const requests = 60
		for range requests {
			require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
			requireBalance(t, c)
		}
		harness.Need(t, zipkin.Boot())
		harness.Eventually(t, 2*patience, func() error {
			requireBalance(t, c)
			n, err := zipkin.Collected()
			if err == nil && n != requests {
				err = fmt.Errorf("outage %d: zipkin has %d spans of %d", outage, n, requests)
			}
			return err
		})
		awaitAcknowledged(t, c) // else what Zipkin took last would rightly be sent again
		zipkin.Kill()
	}
	s, err := c.Status()
	require.NoError(t, err)
	require.Zero(t, s.Emitter("zipkin").Lost(), "dropped: %v", s.Emitter("zipkin").Dropped)
}

// awaitAcknowledged waits until Zipkin has answered for all spans, not only taken them in.
func awaitAcknowledged(t *testing.T, c *harness.Calltap) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		s, err := c.Status()
		if queued := s.Emitter("zipkin").Queued; err == nil && queued != 0 {
			err = fmt.Errorf("%d spans are not acknowledged", queued)
		}
		return err
	})
}

func TestADeadStatsDIsNeverFelt(t *testing.T) {
	l := theLab(t)
	statsd, err := harness.NewStatsD(t.TempDir())
	harness.Need(t, err)
	t.Cleanup(func() { statsd.Kill() })
	options := l.options()
	options["STATSD"] = statsd.Addr()
	c := start(t, httpOnly, options)

	for range 2 {
		for range 20 {
			require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
		}
		requireBalance(t, c)
		harness.Need(t, statsd.Boot())
		harness.Eventually(t, patience, func() error {
			do(t, c, "GET", "/v2.1/servers", "")
			timers, err := statsd.Timers()
			if err == nil && len(timers) == 0 {
				err = fmt.Errorf("no timer after the server came back")
			}
			return err
		})
		statsd.Kill()
	}
}

// requireBalance: accepted = emitted + queued + Σ dropped, for each sink and in all.
func requireBalance(t testing.TB, c *harness.Calltap) {
	t.Helper()
	s, err := c.Status()
	require.NoError(t, err)
	require.NoError(t, s.Pipeline.Balance())
	for _, e := range s.Pipeline.Emitters {
		require.NoError(t, e.Balance(), e.Name)
	}
}

func TestARestartedBrokerIsTappedAgain(t *testing.T) {
	l := theLab(t)
	broker := rabbit.Start(t)
	require.NoError(t, allowTap(broker, "/"))
	nova, err := harness.StartNova(t.TempDir(), broker.URL(), callTimeout)
	harness.Need(t, err)
	t.Cleanup(nova.Stop)
	options := l.options()
	options["RABBITMQ"] = tapURL(broker)
	options["API"] = fmt.Sprintf("127.0.0.1:%d", nova.Port)
	c := start(t, novaCaddyfile, options)
	awaitTap(t, c)
	requireWholeTrace(t, l, c)

	load := startLoad(t, c, "/v2.1/servers", 2) // without RPC, so it needs no broker
	broker.Crash()
	harness.Eventually(t, patience, func() error {
		s, err := c.Status()
		if err == nil && s.Sources[0].Status["connected"] == true {
			err = fmt.Errorf("the tap did not notice")
		}
		return err
	})
	broker.Boot(t)
	broker.Ctl(t, "trace_on") // a broker forgets it

	awaitTap(t, c)
	requireWholeTraceBySomeTime(t, l, c)
	require.NotEmpty(t, load.stop())
	require.Zero(t, load.failed.Load(), "requests that failed while the broker was down")
	requireBalance(t, c)
}

// requireWholeTrace creates a server under a request id and waits for the whole trace of that id.
func requireWholeTrace(t *testing.T, l *lab, c *harness.Calltap) {
	t.Helper()
	id, err := newServer(c)
	require.NoError(t, err)
	harness.Eventually(t, patience, func() error { return traceIsWhole(t, l, id) })
}

// requireWholeTraceBySomeTime goes on creating servers until the trace of one is whole. oslo.messaging takes its time to reconnect, each
// service its own: meanwhile the API fails, or its casts go nowhere. How long a trace takes to become whole need not be known.
func requireWholeTraceBySomeTime(t *testing.T, l *lab, c *harness.Calltap) {
	t.Helper()
	var ids []string
	var next time.Time
	harness.Eventually(t, 4*patience, func() error {
		var failed error
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second)
			var id string
			if id, failed = newServer(c); failed == nil {
				ids = append(ids, id)
			}
		}
		for _, id := range ids {
			err := traceIsWhole(t, l, id)
			if err == nil {
				return nil
			}
			failed = err
		}
		return cmp.Or(failed, errors.New("no server could be created"))
	})
}

func newServer(c *harness.Calltap) (id string, err error) {
	id = newTraceID()
	a, err := try(c, "POST", "/v2.1/servers", "{}", "X-OpenStack-Request-ID", requestID(id))
	if err == nil && a.Status != 202 {
		err = fmt.Errorf("the API answers %d", a.Status)
	}
	return id, err
}

func traceIsWhole(t *testing.T, l *lab, id string) error {
	trace, err := l.zipkin.Trace(id)
	want := strings.ReplaceAll(wholeTrace, "SITE", service(t))
	if got := drawing(trace); err == nil && got != want {
		err = fmt.Errorf("the trace is\n%s", got)
	}
	return err
}

func TestAWrongBrokerPasswordLeavesHTTPAlone(t *testing.T) {
	l := theLab(t)
	options := l.options()
	wrong := url.URL{Scheme: "amqp", User: url.UserPassword("tap", "wrong-"+tapPassword), Host: fmt.Sprintf("127.0.0.1:%d", l.broker.Port), Path: "/"}
	options["RABBITMQ"] = wrong.String()
	c := start(t, novaCaddyfile, options)
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
	awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 1)

	harness.Eventually(t, patience, func() error {
		if !strings.Contains(strings.ToLower(c.Output()), "password") {
			return fmt.Errorf("the log does not speak of the password")
		}
		return nil
	})
	s, err := c.Status()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(s.Sources), tapPassword)
	require.Equal(t, false, s.Sources[0].Status["connected"])
}

func TestSIGTERMWithDeadSinksEndsWithinTenSeconds(t *testing.T) {
	l := theLab(t)
	hole, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	require.NoError(t, err)
	defer hole.Close()
	dead, err := ports.Free(2)
	require.NoError(t, err)
	options := l.options()
	options["ZIPKIN"] = "http://" + hole.Addr().String()
	options["STATSD"] = fmt.Sprintf("127.0.0.1:%d", dead[0])
	options["RABBITMQ"] = fmt.Sprintf("amqp://tap:%s@127.0.0.1:%d/", tapPassword, dead[1])
	c := start(t, novaCaddyfile, options)
	for range 100 {
		require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
	}
	require.NoError(t, c.Signal(syscall.SIGTERM))
	code, err := c.Wait(10 * time.Second)
	require.NoError(t, err)
	require.Zero(t, code)
}

func TestSIGTERMFlushesWhatIsQueued(t *testing.T) {
	l := theLab(t)
	c := start(t, httpOnly, l.options())
	const requests = 20
	for range requests {
		require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
	}
	require.NoError(t, c.Signal(syscall.SIGTERM)) // before the next batch is due
	code, err := c.Wait(patience)
	require.NoError(t, err)
	require.Zero(t, code)

	harness.Eventually(t, patience, func() error { // they are on their way, or read already and not stored yet
		traces, err := l.zipkin.Traces(url.Values{"serviceName": {service(t)}, "limit": {"1000"}})
		if err == nil && len(traces) != requests {
			err = fmt.Errorf("%d traces of %d requests", len(traces), requests)
		}
		return err
	})
	harness.Eventually(t, patience, func() error {
		timers, err := l.statsd.Timers()
		if n := countTimers(timers, service(t)+".nova.api."); err == nil && n != requests {
			err = fmt.Errorf("%d timers of %d requests", n, requests)
		}
		return err
	})
}

// countTimers sums the values of all timers whose name begins with prefix.
func countTimers(timers map[string]harness.Values, prefix string) (n int) {
	for name, v := range timers {
		if strings.HasPrefix(name, prefix) {
			n += v.Count
		}
	}
	return n
}
