package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// patience is how long the tests wait for what takes about a second on an idle machine.
const patience = 90 * time.Second

// novaCaddyfile is what an operator would write for the API of ../apps, but for quiet, for which each cast is waited for, and the
// timeout: a slow Zipkin would be sent its spans again, and the tests count what it got. {$SERVICE} is the test's own.
const novaCaddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		zipkin {$ZIPKIN}/api/v2/spans {
			timeout 1m
		}
		statsd {$STATSD} {
			prefix {$PREFIX}
		}
		store
		link openstack
		keys {
			use process_stack nova.api {
				strip /v2.1
			}
			use queue_receive nova.compute {
				topic compute
			}
			use queue_receive nova.conductor {
				topic conductor
			}
		}
		rabbitmq {$RABBITMQ} {
			firehose
			quiet 2s
		}
	}
}
http://:{$HTTP_PORT} {
	calltap {
		service {$SERVICE}
	}
	reverse_proxy {$API}
}
`

// start runs calltap with a Caddyfile. At the test's end it stops it as an operator would, and looks
// through all that it printed for races, panics and secrets.
func start(t *testing.T, caddyfile string, options harness.Options) *harness.Calltap {
	t.Helper()
	with := harness.Options{"SERVICE": service(t), "PREFIX": service(t)}
	for name, value := range options {
		with[name] = value
	}
	c, err := harness.StartCalltap(binary(t), t.TempDir(), caddyfile, with)
	require.NoError(t, err)
	harness.ShowOnFailure(t, c.Process)
	t.Cleanup(func() {
		c.Stop()
		for _, bad := range []string{"DATA RACE", "panic", "canary"} { // a canary is any secret of a test
			if strings.Contains(c.Output(), bad) {
				t.Errorf("calltap printed %q", bad)
			}
		}
	})
	return c
}

// startTapped is start for a Caddyfile with the firehose of the lab's broker, and waits until it flows.
func startTapped(t *testing.T, l *lab, caddyfile string) *harness.Calltap {
	t.Helper()
	c := start(t, caddyfile, l.options())
	awaitTap(t, c)
	return c
}

// awaitTap waits until the tap consumes its queue, so that no RPC of the test goes unseen.
func awaitTap(t *testing.T, c *harness.Calltap) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		s, err := c.Status()
		if err != nil {
			return err
		}
		if len(s.Sources) != 1 || s.Sources[0].Status["connected"] != true {
			return fmt.Errorf("the tap does not consume: %v", s.Sources)
		}
		return nil
	})
}

// service is a name that only this run of this test uses: of its site, and as StatsD prefix.
func service(t *testing.T) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	run, _ := runs.LoadOrStore(t, count.Add(1))
	return fmt.Sprintf("%s-%d", name, run)
}

// runs numbers the runs of tests, of which -count makes several under one name.
var (
	runs  sync.Map // *testing.T to int64
	count atomic.Int64
)

// answer is a response, read to its end.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// noReuse keeps no connection, so that goleak finds nothing and a reload meets fresh ones.
var noReuse = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// do sends a request through calltap. headers are NAME, VALUE, ….
func do(t *testing.T, c *harness.Calltap, method, path, body string, headers ...string) answer {
	t.Helper()
	a, err := try(c, method, path, body, headers...)
	require.NoError(t, err)
	return a
}

func try(c *harness.Calltap, method, path, body string, headers ...string) (answer, error) {
	return tryWith(noReuse, c, method, path, body, headers...)
}

func tryWith(client *http.Client, c *harness.Calltap, method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequest(method, c.URL()+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// awaitTrace waits until a search by service name finds exactly one trace and that has n spans.
func awaitTrace(t *testing.T, api harness.ZipkinAPI, service string, n int) []harness.Span {
	t.Helper()
	var trace []harness.Span
	harness.Eventually(t, patience, func() error {
		traces, err := api.Traces(url.Values{"serviceName": {service}, "limit": {"1000"}})
		if err != nil {
			return err
		}
		if len(traces) != 1 {
			return fmt.Errorf("%d traces, want one", len(traces))
		}
		if trace = traces[0]; len(trace) != n {
			return errSpans(trace, n)
		}
		return nil
	})
	return trace
}

func errSpans(trace []harness.Span, want int) error {
	return fmt.Errorf("%d spans, want %d:\n%s", len(trace), want, drawing(trace))
}
