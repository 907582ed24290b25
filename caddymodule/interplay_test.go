package caddymodule

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// manualSection returns the Caddyfiles of a section of a page of the manual, in order.
func manualSection(t *testing.T, page, title string) (caddyfiles []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## "+title+"\n")
	require.True(t, ok, "%s has no section %q", page, title)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, part := range fence.FindAllStringSubmatch(section, -1) {
		if part[1] == "caddyfile" {
			caddyfiles = append(caddyfiles, part[3])
		}
	}
	return caddyfiles
}

// forTest makes an example of the manual run beside a test: without an admin endpoint, and at the addresses of real.
func forTest(example string, real ...string) string {
	config := strings.NewReplacer(real...).Replace(example)
	return strings.Replace(config, "{\n", "{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tgrace_period 2s\n", 1)
}

// listening is a server that notes what it is asked.
type listening struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func newListening(t *testing.T, answer http.HandlerFunc) *listening {
	l := new(listening)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.seen = append(l.seen, r)
		l.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listening) address() string { return l.Listener.Addr().String() }

// last is the newest request.
func (l *listening) last() *http.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[len(l.seen)-1]
}

// requireBelow demands that a request which went on hangs below the span.
func requireBelow(t *testing.T, r *http.Request, s model.SpanModel) {
	t.Helper()
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID), r.Header.Get("traceparent"))
	require.Equal(t, fmt.Sprintf("%s-%s-1", s.TraceID, s.ID), strings.Join(strings.Split(r.Header.Get("b3"), "-")[:3], "-"))
}

// newPHP is a FastCGI responder that prints what PHP would find in its environment.
func newPHP(t *testing.T) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Traceparent", r.Header.Get("Traceparent"))
			w.WriteHeader(http.StatusPaymentRequired)
			io.WriteString(w, fcgi.ProcessEnv(r)["SCRIPT_FILENAME"])
		}))
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

// stageOfManual runs the first example of "With the rest of Caddy" and returns the site's address.
func stageOfManual(t *testing.T) (base string, zipkin *collector, upstream, auth *listening) {
	zipkin = newCollector(t)
	upstream = newListening(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" || r.URL.Path == "/legacy/report" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, r.URL.Path)
	})
	auth = newListening(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-Uri") == "/secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "files"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "files", "a.txt"), bytes.Repeat([]byte("text "), 1000), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.php"), nil, 0o600))
	port := freePort(t)
	run(t, forTest(manualSection(t, "http.md", "With the rest of Caddy")[0],
		"http://127.0.0.1:9411/api/v2/spans", zipkin.sink(), ":8080", fmt.Sprintf(":%d", port), "127.0.0.1:18080", upstream.address(),
		"127.0.0.1:9001", auth.address(), "127.0.0.1:9000", newPHP(t), "/srv", dir, "127.0.0.1:1", fmt.Sprintf("127.0.0.1:%d", freePort(t))))
	return fmt.Sprintf("http://127.0.0.1:%d", port), zipkin, upstream, auth
}

// statusAndError are the two of a span that tell how it ended.
func statusAndError(s model.SpanModel) string {
	return s.Tags[span.TagHTTPStatus] + " " + s.Tags["error"]
}

func TestForwardAuthAndRewritesKeepOneTraceAndTheClientsPath(t *testing.T) {
	base, zipkin, upstream, auth := stageOfManual(t)
	_, body := get(t, base+"/shop/cart?token=hunter2")
	require.Equal(t, "/cart", body, "handle_path has cut the path")
	s := zipkin.wait(t, "/shop/cart", 1)[0]
	require.Equal(t, "get /shop/{page}", strings.ToLower(s.Name))
	require.Equal(t, "shop", s.LocalEndpoint.ServiceName)
	requireBelow(t, upstream.last(), s)
	requireBelow(t, auth.last(), s)

	resp, _ := get(t, base+"/shop/secret")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Equal(t, "401 ", statusAndError(zipkin.wait(t, "/shop/secret", 1)[0]))
}

func TestFilesAndEncodeArePartsOfTheSpan(t *testing.T) {
	base, zipkin, _, _ := stageOfManual(t)
	resp, _ := get(t, base+"/files/a.txt", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
	resp, _ = get(t, base+"/files/none.txt")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Equal(t, "200 ", statusAndError(zipkin.wait(t, "/files/a.txt", 1)[0]))
	require.Equal(t, "404 ", statusAndError(zipkin.wait(t, "/files/none.txt", 1)[0]), "of file_server's error")
}

// An inner calltap makes no span of its own: it names the service and adds tags.
func TestPHPGetsTheTraceAndAnInnerCalltapAmends(t *testing.T) {
	base, zipkin, _, _ := stageOfManual(t)
	resp, body := get(t, base+"/app/cart?page=2&token=hunter2", "X-Plan", "gold")
	require.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.True(t, strings.HasSuffix(body, "/index.php"), "php_fastcgi has rewritten the path: %s", body)
	s := zipkin.wait(t, "/app/cart", 1)[0]
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID), resp.Header.Get("X-Traceparent"), "HTTP_TRACEPARENT")
	require.Equal(t, "app", s.LocalEndpoint.ServiceName)
	require.Equal(t, "gold", s.Tags["plan"])
	require.Equal(t, "page=2&token=REDACTED", s.Tags[tagQuery])
	require.Equal(t, "2", s.Tags["stage"], "an inner tag takes the place of the outer one")
	require.Len(t, zipkin.all(), 1)
}

// intercept stands within calltap, handle_errors outside.
func TestInterceptedStatusIsSeenAndThatOfAnErrorPageIsNot(t *testing.T) {
	base, zipkin, _, _ := stageOfManual(t)
	resp, body := get(t, base+"/legacy/report")
	require.Equal(t, "503 try later", fmt.Sprint(resp.StatusCode, " ", body))
	require.Equal(t, "503 503", statusAndError(zipkin.wait(t, "/legacy/report", 1)[0]))

	resp, body = get(t, base+"/dead")
	s := zipkin.wait(t, "/dead", 1)[0]
	require.Equal(t, "502 502", statusAndError(s))
	require.Equal(t, fmt.Sprintf("200 sorry: 502, trace %s", s.TraceID), fmt.Sprint(resp.StatusCode, " ", body))
}

// What is skipped within a site has no span; what is skipped before calltap goes on as it came.
func TestSkippedRequestsOfTheManual(t *testing.T) {
	base, zipkin, upstream, _ := stageOfManual(t)
	get(t, base+"/live")
	require.NotEmpty(t, upstream.last().Header.Get("traceparent"), "a route was within calltap")
	get(t, base+"/metrics", "B3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1")
	require.Equal(t, "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", upstream.last().Header.Get("B3"))
	require.Empty(t, upstream.last().Header.Get("traceparent"))
	get(t, base+"/files/a.txt")
	zipkin.wait(t, "/files/a.txt", 1)
	require.Len(t, zipkin.all(), 1, "of three")
}

// Caddy's own tracing within calltap: its span is a child of ours, and who speaks W3C upstream hangs below it, who speaks B3 below ours.
func TestCaddysTracingIsAChildOfOurs(t *testing.T) {
	var mu sync.Mutex
	var exported []byte
	otlp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		exported = append(exported, body...)
	}))
	defer otlp.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	zipkin := newCollector(t)
	upstream := newListening(t, func(http.ResponseWriter, *http.Request) {})
	port := freePort(t)
	run(t, forTest(manualSection(t, "http.md", "With the rest of Caddy")[1], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf(":%d", port), "127.0.0.1:18080", upstream.address()))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))

	ours := zipkin.wait(t, "/a", 1)[0]
	parent := strings.Split(upstream.last().Header.Get("traceparent"), "-")
	require.Len(t, parent, 4)
	theirs := parent[2]
	require.Equal(t, ours.TraceID.String(), parent[1], "one trace")
	require.NotEqual(t, ours.ID.String(), theirs, "tracing writes traceparent after us")
	require.Equal(t, ours.ID.String(), strings.Split(upstream.last().Header.Get("b3"), "-")[1], "and leaves b3 alone")

	// opentelemetry-proto, trace/v1/trace.proto: Span.span_id = 2 and Span.parent_span_id = 4, 8 bytes each.
	child, err := hex.DecodeString("1208" + theirs)
	require.NoError(t, err)
	below, err := hex.DecodeString("2208" + ours.ID.String())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return bytes.Contains(exported, child) && bytes.Contains(exported, below)
	}, patience, 10*time.Millisecond, "the exported span is below ours")
}

// Caddy's tracing puts an id of its own where a calltap within it looks for the outer one.
func TestCalltapsAroundCaddysTracingMakeOneSpan(t *testing.T) {
	otlp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer otlp.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	for name, end := range map[string]string{
		"an answer":                        "respond done 202\n}",
		"an error":                         "error later 503\n}",
		"an error with routes of its own":  "error later 503\n}\nhandle_errors {\nrespond sorry 503\n}",
		"an error with calltap among them": "error later 503\n}\nhandle_errors {\ncalltap\nrespond sorry 418\n}",
	} {
		t.Run(name, func(t *testing.T) {
			zipkin, port := newCollector(t), freePort(t)
			run(t, fmt.Sprintf("{\nadmin off\norder calltap first\ncalltap {\nzipkin %s\n}\n}\nhttp://127.0.0.1:%d {\nroute {\ncalltap\ntracing {\nspan theirs\n}\ncalltap {\nservice inner\n}\n%s\n}\n",
				zipkin.sink(), port, end))
			answer, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			ours := zipkin.wait(t, "/a", 1)[0]
			require.Equal(t, strconv.Itoa(answer.StatusCode), ours.Tags[span.TagHTTPStatus])
			require.Equal(t, "inner", ours.LocalEndpoint.ServiceName)
			require.NoError(t, running.newest().state.pipeline.Flush(t.Context()))
			require.Len(t, zipkin.all(), 1)
		})
	}
}

// What the matcher leaves out goes on as it came, and leaves nothing behind.
func TestTheManualsMatcher(t *testing.T) {
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	run(t, forTest(manualSection(t, "http.md", "With the rest of Caddy")[2], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf(":%d", port), "127.0.0.1:18080", upstream.address()))
	get(t, at(port, "/other"), "B3", accepted)
	require.Equal(t, []string{accepted}, upstream.last().Header["B3"])
	require.NotContains(t, upstream.last().Header, "Traceparent")
	get(t, at(port, "/api/a"), "B3", accepted)
	requireBelow(t, upstream.last(), zipkin.only(t, "/api/a"))
	require.Len(t, zipkin.all(), 1)
}
