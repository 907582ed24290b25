package caddymodule

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// What a client got is known where error routes can be watched, and where the access log tells it.
func TestStatusAfterErrorRoutes(t *testing.T) {
	backup, _ := newSeen(t)
	for name, c := range map[string]struct {
		log, errors string
		want        map[string][4]string // by path: status, error, what the handler said, bytes
	}{
		"nobody tells": {"", "respond \"sorry\" 200", map[string][4]string{
			"/error-502": {"502", "502", "", ""}, "/error-404": {"404", "", "", ""}}},
		"access log": {"log {\n output discard\n}", "@gone expression {err.status_code} == 502\n respond @gone \"sorry\" 200\n respond {err.status_code}", map[string][4]string{
			"/error-502": {"200", "", "502", ""}, "/error-404": {"404", "", "", ""}}},
		"calltap": {"", "calltap\n @gone expression {err.status_code} == 502\n respond @gone \"sorry\" 200\n respond \"{err.status_code}\" 503", map[string][4]string{
			"/error-502": {"200", "", "502", "5"}, "/error-404": {"503", "503", "404", "3"}}},
		"nothing matches":  {"", "calltap\n @no path /no\n respond @no 200", map[string][4]string{"/error-404": {"404", "", "", ""}}},
		"another upstream": {"", "calltap\n reverse_proxy " + backup.Listener.Addr().String(), map[string][4]string{"/error-502": {"200", "", "502", "5"}}},
	} {
		t.Run(name, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			run(t, site(zipkin, port, "upstream_spans on\n tag shown {http.request.method}\n tag failed yes on 5xx", fmt.Sprintf("%s\n calltap\n do\n handle_errors {\n%s\n}", c.log, c.errors)))
			for path, want := range c.want {
				answer := talk(t, port, path, "")
				if name != "nobody tells" {
					require.True(t, strings.HasPrefix(answer, "HTTP/1.1 "+want[0]), answer)
				}
				s := zipkin.wait(t, path, 1)[0]
				require.Equal(t, want, [4]string{s.Tags[span.TagHTTPStatus], s.Tags["error"], s.Tags[tagHandlerStatus], s.Tags[span.TagHTTPSent]}, path)
				require.Equal(t, "GET", s.Tags["shown"])
				require.Equal(t, want[0] >= "500", s.Tags["failed"] == "yes", path)
				if name == "another upstream" {
					_, tries := zipkin.tree(t, path, 1)
					require.Equal(t, "200", tries[0].Tags[span.TagHTTPStatus])
				}
			}
		})
	}
}

// The client leaves while error routes are at work on the same request.
func TestClientThatLeavesDuringErrorRoutes(t *testing.T) {
	zipkin := newCollector(t)
	entered, left := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(left)
	}))
	defer slow.Close()
	port := freePort(t)
	run(t, site(zipkin, port, "tag shown {http.request.method}", fmt.Sprintf("log {\n output discard\n}\n calltap\n do\n handle_errors {\n reverse_proxy %s\n}", slow.Listener.Addr())))
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	fmt.Fprint(conn, "GET /error-404 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	<-entered
	conn.Close()
	<-left
	s := zipkin.wait(t, "/error-404", 1)[0]
	// The error's, or what the access log made of it if that was quicker than the end of the request is told.
	require.Contains(t, []string{"404", "499"}, s.Tags[span.TagHTTPStatus])
	require.Equal(t, "GET", s.Tags["shown"])
}

// A request's variables are a plain map, which Caddy's transport may still read from when the handlers have returned: to write to it then
// could end the process. The race detector is the judge.
func TestARequestThatFailsWhileItDialsIsNotWrittenTo(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n do\n handle_errors {\n calltap\n respond \"{err.status_code}\" 410\n}"))
	const n = 20
	for range n {
		resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/error-dialling", port))
		require.Equal(t, 410, resp.StatusCode)
	}
	for _, s := range zipkin.wait(t, "/error-dialling", n) {
		require.Equal(t, "410", s.Tags[span.TagHTTPStatus])
	}
}

// Error routes of many requests at once: the race detector is the judge.
func TestErrorRoutesOfManyRequests(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", "log {\n output discard\n}\n calltap\n do\n handle_errors {\n header X-Trace {vars.trace_id}\n respond \"{err.status_code} {vars.span_id}\" 410\n}"))
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	const n = 200
	io.WriteString(conn, strings.Repeat("GET /error-404 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", n))
	in := bufio.NewReader(conn)
	for range n {
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 410, resp.StatusCode)
		io.Copy(io.Discard, resp.Body)
	}
	for _, s := range zipkin.wait(t, "/error-404", n) {
		require.Equal(t, "410", s.Tags[span.TagHTTPStatus])
	}
}
