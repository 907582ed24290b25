package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// triggerCaddyfile records nothing but what is forced.
const triggerCaddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		store
		sample 0
		trigger {
			osprofiler {env.PROFILER_KEY}
			key {env.TRIGGER_KEY}
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

// glance is as much of an image service as its client asks for, and notes the headers that it gets.
type glance struct {
	*httptest.Server
	mu      sync.Mutex
	headers http.Header // of the last request for images
}

func newGlance(t *testing.T) *glance {
	g := new(glance)
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *glance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	version := fmt.Sprintf(`{"id": "v2.9", "status": "CURRENT", "links": [{"rel": "self", "href": "http://%s/v2/"}]}`, r.Host)
	switch r.URL.Path {
	case "/v2/images":
		g.mu.Lock()
		g.headers = r.Header.Clone()
		g.mu.Unlock()
		io.WriteString(w, `{"images": [{"id": "11111111-2222-3333-4444-555555555555", "name": "cirros", "status": "active"}]}`)
	case "/v2/":
		io.WriteString(w, `{"version": `+version+`}`)
	case "/":
		w.WriteHeader(http.StatusMultipleChoices)
		io.WriteString(w, `{"versions": [`+version+`]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (g *glance) header(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.headers.Get(name)
}

func startTriggered(t *testing.T) (*harness.Calltap, *glance) {
	t.Helper()
	g := newGlance(t)
	return start(t, triggerCaddyfile, harness.Options{
		"API": g.Listener.Addr().String(), "PROFILER_KEY": "profiler-canary", "TRIGGER_KEY": "trigger-canary-0123456789",
	}), g
}

// The library and the client of OpenStack force a trace, by the id that they print, through calltap to a service that reads the same headers.
func TestOSProfilersOwnClientsForceATrace(t *testing.T) {
	c, g := startTriggered(t)
	python, err := harness.Python()
	harness.Need(t, err)

	base := run(t, "profiler.py", "ask", "profiler-canary", c.URL()+"/v2/images")
	id := strings.ReplaceAll(base, "-", "")
	require.Equal(t, base, run(t, "profiler.py", "read", "profiler-canary", g.header("X-Trace-Info"), g.header("X-Trace-Hmac")), "they go on")
	require.True(t, strings.HasPrefix(g.header("Traceparent"), "00-"+id), g.header("Traceparent"))
	requireRoot(t, c, id)

	listed, err := harness.Exec(python, t.TempDir(), []string{"PYTHONWARNINGS=ignore"}, "-m", "openstackclient.shell",
		"--os-auth-type", "none", "--os-endpoint", c.URL(), "--os-profile", "profiler-canary", "image", "list", "-f", "value")
	require.NoError(t, err)
	require.Contains(t, listed, "cirros")
	base = run(t, "profiler.py", "read", "profiler-canary", g.header("X-Trace-Info"), g.header("X-Trace-Hmac"))
	requireRoot(t, c, strings.ReplaceAll(base, "-", ""))

	run(t, "profiler.py", "ask", "another key", c.URL()+"/v2/images")
	require.True(t, strings.HasSuffix(g.header("Traceparent"), "-00"), "served, and not recorded")
	require.NotContains(t, g.header("Traceparent"), id)
}

// What `calltap trigger` prints forces one trace, once.
func TestTheTriggerCommandForcesOneTrace(t *testing.T) {
	c, g := startTriggered(t)
	line, err := c.Command("trigger", "--key", "{env.TRIGGER_KEY}", "--for", "1m")
	require.NoError(t, err)
	name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
	require.True(t, ok, line)
	_, rest, _ := strings.Cut(value, ";id=")
	id := rest[:32]

	require.Equal(t, 200, do(t, c, "GET", "/v2/images", "", name, value).Status)
	require.True(t, strings.HasPrefix(g.header("Traceparent"), "00-"+id), g.header("Traceparent"))
	require.Empty(t, g.header(name), "it is used up")
	requireRoot(t, c, id)

	require.Equal(t, 200, do(t, c, "GET", "/v2/images", "", name, value).Status)
	require.True(t, strings.HasSuffix(g.header("Traceparent"), "-00"), "replayed")
	for args, says := range map[string]string{
		"--key trigger-canary-0123456789":     "want {env.NAME} or {file.PATH}",
		"--key {env.NO_SUCH_KEY}":             "{env.NO_SUCH_KEY} has no value",
		"--key {env.TRIGGER_KEY} --for 2h":    "1s to 1h",
		"--key {env.TRIGGER_KEY} --for soon":  "invalid",
		"--key {env.TRIGGER_KEY} and another": "unknown command",
	} {
		_, err := c.Command(append([]string{"trigger"}, strings.Fields(args)...)...)
		require.ErrorContains(t, err, says)
	}
}

// requireRoot waits for the trace, of which our span is the root.
func requireRoot(t *testing.T, c *harness.Calltap, id string) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		trace, err := c.Store().Trace(id)
		if err != nil {
			return err
		}
		for _, s := range trace {
			if s.ParentID == "" && s.Tags["http.path"] == "/v2/images" {
				return nil
			}
		}
		return fmt.Errorf("no root of /v2/images among %d spans", len(trace))
	})
}
