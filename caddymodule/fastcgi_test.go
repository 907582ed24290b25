package caddymodule

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// phpSite is a site with php_fastcgi in front of a responder, and with an index.php.
func phpSite(t *testing.T, zipkin *collector, responder, upstreamSpans string) (base string) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.php"), nil, 0o600))
	run(t, site(zipkin, port, "upstream_spans "+upstreamSpans, fmt.Sprintf("calltap {\n service shop\n}\n root %s\n php_fastcgi %s", dir, responder)))
	return at(port, "")
}

// fastCGI serves the responder of the standard library.
func fastCGI(t *testing.T, answer http.HandlerFunc) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); fcgi.Serve(listener, answer) }()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

// brokenFastCGI reads a request to its end, and does with the connection what a test wants before it closes.
func brokenFastCGI(t *testing.T, answer func(conn net.Conn)) (address string) {
	return hangingUp(t, func(conn net.Conn) {
		readFastCGI(conn)
		answer(conn)
	}).String()
}

// Types of FastCGI records (https://fastcgi-archives.github.io/FastCGI_Specification.html#S8).
const (
	fcgiStdin  = 5
	fcgiStdout = 6
)

// readFastCGI reads records until the request's body has ended, which an empty one says.
func readFastCGI(conn net.Conn) {
	var header [8]byte
	for {
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint16(header[4:6])
		if _, err := io.CopyN(io.Discard, conn, int64(length)+int64(header[6])); err != nil {
			return
		}
		if header[1] == fcgiStdin && length == 0 {
			return
		}
	}
}

func stdout(text string) string {
	return string([]byte{1, fcgiStdout, 0, 1, byte(len(text) >> 8), byte(len(text)), 0, 0}) + text
}

// The span is of the request that the client made; PHP is told of it, and its answer is measured as any.
func TestAPHPRequestIsNamedByWhatTheClientAskedFor(t *testing.T) {
	zipkin := newCollector(t)
	responder := fastCGI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Traceparent", r.Header.Get("Traceparent")) // of HTTP_TRACEPARENT
		w.Header().Set("X-B3", r.Header.Get("B3"))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %s", filepath.Base(fcgi.ProcessEnv(r)["SCRIPT_FILENAME"]), body)
	})
	base := phpSite(t, zipkin, responder, "off")
	resp, err := http.Post(base+"/carts/17", "text/plain", strings.NewReader("two eggs"))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "201 index.php two eggs", fmt.Sprint(resp.StatusCode, " ", string(body)))

	s := zipkin.wait(t, "/carts/17", 1)[0]
	require.Equal(t, "post /carts/{id}", strings.ToLower(s.Name))
	require.Equal(t, "201 ", statusAndError(s))
	require.Equal(t, "8", s.Tags[span.TagHTTPReceived])
	require.Equal(t, fmt.Sprint(len(body)), s.Tags[span.TagHTTPSent])
	requireBelow(t, &http.Request{Header: http.Header{"Traceparent": resp.Header["X-Traceparent"], "B3": resp.Header["X-B3"]}}, s)
	require.Len(t, zipkin.all(), 1)
}

// php_fastcgi has no other transport than its own, and that tells of its connection alone.
func TestUpstreamSpansOfPHP(t *testing.T) {
	responder := fastCGI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fails.php" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, r.Header.Get("B3"))
	})
	for _, way := range []string{"on", "own"} {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			base := phpSite(t, zipkin, responder, way)
			_, b3 := get(t, base+"/works")
			server, tries := zipkin.tree(t, "/works", 1)
			require.Contains(t, b3, server.ID.String(), "the headers name the request's span, also with own")
			require.Equal(t, "200 ", statusAndError(tries[0]))
			require.Equal(t, []string{"connect_start", "connect_done"}, notesOf(tries[0]))
			require.Equal(t, responder, tries[0].Tags[tagUpstream])
			require.Equal(t, responder, fmt.Sprintf("%s:%d", tries[0].RemoteEndpoint.IPv4, tries[0].RemoteEndpoint.Port))
		})
	}
}

// What goes wrong between Caddy and PHP has the class that it has with any upstream.
func TestPHPThatIsNotThereOrEndsEarly(t *testing.T) {
	says := func(records string) string {
		return brokenFastCGI(t, func(conn net.Conn) { io.WriteString(conn, records) })
	}
	silent := brokenFastCGI(t, func(conn net.Conn) { io.Copy(io.Discard, conn) }) // until Caddy closes it
	for name, c := range map[string]struct{ responder, server, try string }{
		"nobody listens":           {fmt.Sprintf("127.0.0.1:%d", freePort(t)), "502 502", " refused"},
		"closes without an answer": {says(""), "502 502", " no_response"},
		"breaks in the header":     {says(stdout("Status: 200 OK\r\nContent-Le")), "502 502", " no_response"},
		"tells no number":          {says(stdout("Status: fine\r\n\r\n")), "502 502", " no_response"},
		"speaks no FastCGI":        {says("HTTP/1.1 200 OK\r\n\r\n"), "502 502", " no_response"},
		"breaks in the body":       {says(stdout("Status: 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning")), "200 aborted", "200 aborted"},
		"never answers":            {silent + " {\n read_timeout 50ms\n}", "504 504", " timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			zipkin := newCollector(t)
			base := phpSite(t, zipkin, c.responder, "on")
			resp, err := http.Get(base + "/a")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.Equal(t, strings.HasSuffix(c.server, classAborted), err != nil)
			require.NoError(t, resp.Body.Close())
			server, tries := zipkin.tree(t, "/a", 1)
			require.Equal(t, [2]string{c.server, c.try}, [2]string{statusAndError(server), statusAndError(tries[0])})
		})
	}
}
