package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// shape is one way in which a request can go: what the client sends, byte for byte, and what the
// span must say of it.
type shape struct {
	name   string // also the path
	send   string // after the header; "" is a GET without a body
	status string // of the span; "" is none
	class  string // the tag error
	direct bool   // a proxy would wait for the body
}

const end = "Connection: close\r\n\r\n"

var shapes = []shape{
	{"nothing", "", "200", "", false},
	{"implicit", "", "200", "", false},
	{"empty-write", "", "200", "", false},
	{"created", "", "201", "", false},
	{"nocontent", "", "204", "", false},
	{"notmodified", "", "304", "", false},
	{"missing", "", "404", "", false},
	{"fails", "", "503", "503", false},
	{"twice", "", "202", "", false},
	{"early-hints", "", "200", "", false},
	{"processing-then-500", "", "500", "500", false},
	{"error-plain", "", "500", "500", false},
	{"error-404", "", "404", "", false},
	{"error-502", "", "502", "502", false},
	{"error-wrapped", "", "429", "", false},
	{"error-late", "", "200", "500", false},
	{"abort-first", "", "", "aborted", false},
	{"abort-late", "", "200", "aborted", false},
	{"panic", "", "500", "panic", false},
	{"panic-nil", "", "500", "panic", false},
	{"panic-late", "", "200", "panic", false},
	{"bad-code", "", "500", "panic", false},
	{"trailers", "", "200", "", false},
	{"chunks", "", "200", "", false},
	{"sse", "", "200", "", false},
	{"sse-asserts", "", "500", "panic", false},
	{"flush-only", "", "200", "", false},
	{"read-from", "", "200", "", false},
	{"read-from-nothing", "", "202", "", false},
	{"big", "", "200", "", false},
	{"no-such-act", "", "200", "", false},
	{"echo", "POST Content-Length: 11\r\n" + end + `{"reboot":1}`[:11], "200", "", false},
	{"echo", "POST Transfer-Encoding: chunked\r\nTrailer: X-Req-Trailer\r\n" + end +
		"4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\nX-Req-Trailer: yes\r\n\r\n", "200", "", false},
	{"echo", "POST Transfer-Encoding: chunked\r\n" + end + "4\r\n{\"a\"\r\nnonsense\r\n", "400", "", false},
	{"echo", "POST Content-Length: 0\r\n" + end, "200", "", false},
	{"refuse", "POST Content-Length: 2\r\nExpect: 100-continue\r\n" + end, "413", "", true},
	{"echo", "POST Content-Length: 5\r\nExpect: 100-continue\r\n" + end + "<100>hello", "200", "", false},
	{"big", "HEAD " + end, "200", "", false},
	{"upgrade", "GET Connection: Upgrade\r\nUpgrade: echo\r\n\r\none\ntwo\nbye\n", "101", "", false},
	{"upgrade-by-header", "GET Connection: Upgrade\r\nUpgrade: echo\r\n\r\none\nbye\n", "101", "", false},
}

// TestResponseIsWhatPlainCaddySends sends the same bytes to a site with calltap and to one without,
// in Caddy itself and through reverse_proxy, and compares every byte that comes back.
func TestResponseIsWhatPlainCaddySends(t *testing.T) {
	zipkin := newCollector(t)
	plain, traced := freePort(t), freePort(t)
	plainProxy, tracedProxy := freePort(t), freePort(t)
	config := site(zipkin, traced, "", "calltap\n do") + fmt.Sprintf(`
		http://127.0.0.1:%d {
			do
		}
		http://127.0.0.1:%d {
			reverse_proxy 127.0.0.1:%d
		}
		http://127.0.0.1:%d {
			calltap
			reverse_proxy 127.0.0.1:%d
		}`, plain, plainProxy, plain, tracedProxy, plain)
	run(t, config)
	for i, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			path := fmt.Sprintf("/%s?n=%d", s.name, i)
			require.Equal(t, talk(t, plain, path, s.send), talk(t, traced, path, s.send))
			if s.direct {
				return
			}
			require.Equal(t, meaning(t, talk(t, plainProxy, path, s.send), s.send),
				meaning(t, talk(t, tracedProxy, path, s.send), s.send), "through reverse_proxy")
		})
	}
	t.Run("spans tell the truth", func(t *testing.T) { requireTruth(t, zipkin, 2*len(shapes)-1) })
}

// requireTruth compares the spans of Caddy's own answers with the table. Those of the proxied ones are only counted:
// there Caddy makes 502 of an upstream that aborts.
func requireTruth(t *testing.T, zipkin *collector, n int) {
	require.Eventually(t, func() bool { return len(zipkin.all()) >= n }, patience, 10*time.Millisecond)
	spans := zipkin.all()
	require.Len(t, spans, n)
	verdicts := make(map[string]int)
	for _, s := range spans {
		verdicts[fmt.Sprintf("%s %s %q", s.Tags[span.TagHTTPPath], s.Tags[span.TagHTTPStatus], s.Tags["error"])]++
		require.NotContains(t, s.Tags[span.TagHTTPPath], "?")
		require.Positive(t, s.Duration)
	}
	for _, s := range shapes {
		require.Positive(t, verdicts[fmt.Sprintf("/%s %s %q", s.name, s.status, s.class)], "%s: %v", s.name, verdicts)
	}
}

var changing = regexp.MustCompile(`(?m)^(Date|Etag|Last-Modified): .*\r\n`)

// talk sends one request over a connection of its own and returns all that comes back, with what changes from
// request to request taken out.
func talk(t *testing.T, port int, path, send string) string {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	if send == "" {
		send = "GET " + end
	}
	method, rest, _ := strings.Cut(send, " ")
	now, afterContinue, waits := strings.Cut(rest, "<100>")
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method, path, now)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	var got bytes.Buffer
	if waits {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
		got.WriteString(line)
		_, err = io.WriteString(conn, afterContinue)
		require.NoError(t, err)
	}
	_, err = io.Copy(&got, in)
	if err != nil {
		fmt.Fprintf(&got, "\n[%s]", strings.ReplaceAll(err.Error(), conn.LocalAddr().String(), ""))
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	return strings.ReplaceAll(changing.ReplaceAllString(got.String(), ""), fmt.Sprint(port), "PORT")
}

// meaning is what a response says, without how it was cut into chunks: through a proxy that follows the
// times at which the upstream's packets come, with or without us.
func meaning(t *testing.T, raw, send string) string {
	method, _, _ := strings.Cut(send, " ")
	in := bufio.NewReader(strings.NewReader(raw))
	var said strings.Builder
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintf(&said, "%v", err)
			return said.String()
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return raw
		}
		if resp.StatusCode == http.StatusContinue {
			continue // Caddy's own, the upstream's that it passes on, or both: a race in plain Caddy too
		}
		body, err := io.ReadAll(resp.Body)
		resp.Header.Del("Content-Length")
		fmt.Fprintln(&said, resp.Status, resp.Proto, resp.Close, resp.Header, len(body), string(body), err, resp.Trailer)
	}
}

// Ranges, validators and sendfile are file_server's; the wrapper must hide none of it.
func TestFilesAreServedAlike(t *testing.T) {
	zipkin := newCollector(t)
	dir := t.TempDir()
	content := bytes.Repeat([]byte("a line of the file\n"), 50_000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file.txt"), content, 0o600))
	plain, traced := freePort(t), freePort(t)
	serve := fmt.Sprintf("root * %s\n file_server\n encode gzip", dir)
	run(t, site(zipkin, traced, "", "calltap\n"+serve)+fmt.Sprintf("\nhttp://127.0.0.1:%d {\n%s\n}", plain, serve))
	for _, send := range []string{
		"GET " + end,
		"HEAD " + end,
		"GET Range: bytes=5-25\r\n" + end,
		"GET Range: bytes=0-3,100-110\r\n" + end,
		"GET Range: bytes=99999999-\r\n" + end,
		"GET Accept-Encoding: gzip\r\n" + end,
		"GET If-None-Match: \"x\"\r\n" + end,
		"DELETE " + end,
	} {
		a, b := talk(t, plain, "/file.txt", send), talk(t, traced, "/file.txt", send)
		boundary := regexp.MustCompile(`[0-9a-f]{60}`)
		require.Equal(t, boundary.ReplaceAllString(a, ""), boundary.ReplaceAllString(b, ""), send)
	}
	a, b := talk(t, plain, "/none.txt", ""), talk(t, traced, "/none.txt", "")
	require.Equal(t, a, b)
	require.Equal(t, "404", zipkin.wait(t, "/none.txt", 1)[0].Tags[span.TagHTTPStatus])
}

func TestClientThatLeavesIs499(t *testing.T) {
	zipkin := newCollector(t)
	entered := make(chan string, 16)
	release := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/partial" {
			fmt.Fprint(w, strings.Repeat("x", 4096))
			http.NewResponseController(w).Flush()
		}
		entered <- r.URL.Path
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer upstream.Close()
	defer close(release)
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n reverse_proxy "+upstream.Listener.Addr().String()))
	for _, path := range []string{"/silent", "/partial"} {
		ctx, leave := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
		require.Equal(t, path, <-entered)
		leave()
		<-done
		s := zipkin.wait(t, path, 1)[0]
		require.Equal(t, "499", s.Tags[span.TagHTTPStatus], path)
		require.Equal(t, classClientGone, s.Tags["error"], path)
	}
}

func TestUpstreamThatIsDeadOrDies(t *testing.T) {
	zipkin := newCollector(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "partial")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer upstream.Close()
	port, deadPort := freePort(t), freePort(t)
	run(t, site(zipkin, port, "", fmt.Sprintf(`calltap
		reverse_proxy /dies %s
		reverse_proxy /dead 127.0.0.1:%d`, upstream.Listener.Addr(), deadPort)))
	talk(t, port, "/dead", "")
	talk(t, port, "/dies", "")
	dead, dies := zipkin.wait(t, "/dead", 1)[0], zipkin.wait(t, "/dies", 1)[0]
	require.Equal(t, "502 502", dead.Tags[span.TagHTTPStatus]+" "+dead.Tags["error"])
	require.Equal(t, "200 aborted", dies.Tags[span.TagHTTPStatus]+" "+dies.Tags["error"])
}

func TestGRPCStatusIsReadFromTheTrailer(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	config := strings.Replace(site(zipkin, port, "", "calltap\n do"), "admin off",
		"admin off\n servers {\n protocols h1 h2c\n }", 1)
	run(t, config)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	for path, want := range map[string][3]string{
		"/grpc-fail": {"200", "14", "grpc_14"},
		"/grpc-ok":   {"200", "0", ""},
	} {
		req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.Equal(t, want[1], resp.Trailer.Get("Grpc-Status"))
		s := zipkin.wait(t, path, 1)[0]
		require.Equal(t, want, [3]string{s.Tags[span.TagHTTPStatus], s.Tags[tagGRPC], s.Tags["error"]})
	}
}
