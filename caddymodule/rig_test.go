package caddymodule

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// adapt makes JSON of a Caddyfile.
func adapt(t testing.TB, caddyfile string) []byte {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err)
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			t.Logf("warning: %s", w)
		}
	}
	return config
}

// load runs the Caddyfile in this process, in place of what ran before, and waits until that listens no more: it may still take a
// connection to a port of both, and answer it or cut it off.
func load(t testing.TB, caddyfile string) {
	t.Helper()
	require.NoError(t, caddy.Load(adapt(t, caddyfile), true))
	require.Eventually(t, func() bool { return !listenedTwice() }, patience, time.Millisecond, "the old configuration still listens")
}

// listenedTwice reports whether this process has two listeners at a port, which is so while Caddy reloads. Linux alone tells.
func listenedTwice() bool {
	ours := map[string]bool{} // sockets, by inode
	files, _ := os.ReadDir("/proc/self/fd")
	for _, f := range files {
		target, _ := os.Readlink("/proc/self/fd/" + f.Name())
		ours[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] = true
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		seen := map[string]bool{}
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // proc_net_tcp(5): local address second, state fourth, inode tenth
			if len(f) < 10 || f[3] != stateListen || !ours[f[9]] {
				continue
			}
			if seen[f[1]] {
				return true
			}
			seen[f[1]] = true
		}
	}
	return false
}

const stateListen = "0A" // TCP_LISTEN

// run is load, and stops all at the end of the test.
func run(t testing.TB, caddyfile string) {
	t.Helper()
	t.Cleanup(func() { stop(t) })
	load(t, caddyfile)
}

// stop ends Caddy and waits until calltap has let go of everything.
func stop(t testing.TB) {
	t.Helper()
	if app := running.newest(); app != nil {
		app.state.pipeline.exiting.Store(true) // dead sinks are given up after seconds, not half a minute
	}
	// Stop leaves the admin endpoint on; a configuration without one ends it.
	require.NoError(t, caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true))
	require.NoError(t, caddy.Stop())
	released := make(chan struct{})
	go func() { background.wg.Wait(); close(released) }()
	select {
	case <-released:
	case <-time.After(lingerRequests):
	}
	http.DefaultClient.CloseIdleConnections()
}

// newHandler is a handler as Provision leaves it.
func newHandler(t testing.TB, service string, st *state, rules ...keyrules.Rule) *Handler {
	t.Helper()
	h := &Handler{Service: service, Rules: rules, state: st}
	require.NoError(t, h.provisionTracing(Tracing{}))
	require.NoError(t, h.provisionRules())
	return h
}

// freePort returns a port of the loopback that nobody listens on, nor will but who was given it.
func freePort(t testing.TB) int {
	t.Helper()
	free, err := ports.Free(1)
	require.NoError(t, err)
	return free[0]
}

// collector is a server that takes spans as Zipkin does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []model.SpanModel
}

func newCollector(t testing.TB) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	var spans []model.SpanModel
	if err := json.NewDecoder(body).Decode(&spans); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.spans = append(c.spans, spans...)
	c.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (c *collector) sink() string { return c.URL + "/api/v2/spans" }

func (c *collector) all() []model.SpanModel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]model.SpanModel(nil), c.spans...)
}

// wait returns the spans of the path when there are n.
func (c *collector) wait(t testing.TB, path string, n int) []model.SpanModel {
	t.Helper()
	var found []model.SpanModel
	require.Eventually(t, func() bool {
		found = nil
		for _, s := range c.all() {
			if s.Tags[span.TagHTTPPath] == path {
				found = append(found, s)
			}
		}
		return len(found) >= n
	}, patience, 10*time.Millisecond, "spans of %s", path)
	require.Len(t, found, n)
	return found
}

// site is a Caddyfile with the collector as sink and one traced site.
func site(c *collector, port int, options, directives string) string {
	return fmt.Sprintf(`{
		admin off
		persist_config off
		auto_https off
		grace_period 2s
		order do before respond
		calltap {
			zipkin %s
			%s
		}
	}
	http://127.0.0.1:%d {
		%s
	}`, c.sink(), options, port, directives)
}

func get(t testing.TB, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Close = true // a reload closes idle connections, the admin endpoint's too
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}
