package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// upload sends the beginning of a request, has it broken off, and waits for an answer.
func upload(t *testing.T, port int, text string, cut func(*net.TCPConn)) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	cut(conn.(*net.TCPConn))
	_, _ = conn.Read(make([]byte, 1))
}

const (
	longUpload    = "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nbegin"
	chunkedUpload = "POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// What the client does to its own request is not told as the upstream's failure.
func TestUpstreamIsNotBlamedForTheRequestsBody(t *testing.T) {
	for way, words := range ways {
		for name, c := range map[string]struct {
			text, options, class string
			cut                  func(*net.TCPConn)
		}{
			"the client closes its side":  {longUpload, "", classClientGone, func(c *net.TCPConn) { _ = c.CloseWrite() }},
			"the client resets":           {longUpload, "", classClientGone, func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }},
			"the client sends no chunk":   {chunkedUpload + "no number\r\n", "", classBody, func(*net.TCPConn) {}},
			"the body is larger than may": {chunkedUpload + "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n0\r\n\r\n", "request_body {\n max_size 1KB\n}", classBody, func(*net.TCPConn) {}},
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				zipkin := newCollector(t)
				begun := make(chan struct{}, 8)
				upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
				}))
				upstream.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						begun <- struct{}{}
					}
				}
				upstream.Start()
				defer upstream.Close()
				port := freePort(t)
				run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n %s\n reverse_proxy %s {\n transport %s\n}", c.options, upstream.Listener.Addr(), words[1])))
				upload(t, port, c.text, func(conn *net.TCPConn) {
					if c.class == classClientGone {
						<-begun
					}
					c.cut(conn)
				})
				_, tries := zipkin.tree(t, "/a", 1)
				require.Equal(t, c.class, tries[0].Tags["error"])
			})
		}
	}
}

// A body goes on once: the next upstream is asked without, and has not failed.
func TestARetryThatHasNoBodyLeftIsNotTheUpstreamsFailure(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusServiceUnavailable)
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n lb_retries 1\n lb_retry_match {\n method POST\n expression `{rp.status_code} == 503`\n}\n transport %s\n}",
				upstream.Listener.Addr(), words[1])))
			resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/a", port), "text/plain", strings.NewReader(strings.Repeat("x", 20000)))
			require.NoError(t, err)
			resp.Body.Close()
			_, tries := zipkin.tree(t, "/a", 2)
			require.Equal(t, [2]string{"503", classBody}, [2]string{tries[0].Tags["error"], tries[1].Tags["error"]})
		})
	}
}

// An upstream that breaks the connection off in the middle of an upload is to blame, whatever becomes of the body then.
func TestUpstreamThatResetsAnUploadIsBlamed(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_ = conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", upstream.Listener.Addr(), words[1])))
			upload(t, port, longUpload+strings.Repeat("x", 100000-len("begin")), func(*net.TCPConn) {})
			_, tries := zipkin.tree(t, "/a", 1)
			require.Equal(t, classReset, tries[0].Tags["error"])
		})
	}
}

// A stream that its client leaves is no failure, of the request or of its upstream.
func TestClientThatLeavesAStreamIsNobodysFailure(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			events, _ := newEvents(t)
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", address(events.URL), words[1])))
			ctx, leave := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/events", port), nil)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, 9))
			require.NoError(t, err)
			leave()
			resp.Body.Close()
			server, tries := zipkin.tree(t, "/events", 1)
			require.NotContains(t, server.Tags, "error")
			require.NotContains(t, tries[0].Tags, "error")
		})
	}
}

// Bytes that are no answer are the upstream's failure, but another one than silence.
func TestUpstreamThatAnswersNonsense(t *testing.T) {
	for way, words := range ways {
		for name, c := range map[string]struct{ answer, class string }{
			"not HTTP":              {"SSH-2.0-OpenSSH_9.2\r\n\r\n", classBadResponse},
			"a header without end":  {"HTTP/1.1 200 OK\r\nContent-Le", classBadResponse},
			"a length that is none": {"HTTP/1.1 200 OK\r\nContent-Length: much\r\n\r\n", classBadResponse},
			"nothing":               {"", classNoResponse},
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				zipkin := newCollector(t)
				upstream := sayingOnly(t, c.answer)
				port := freePort(t)
				run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", upstream, words[1])))
				resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
				require.Equal(t, http.StatusBadGateway, resp.StatusCode)
				_, tries := zipkin.tree(t, "/a", 1)
				require.Equal(t, c.class, tries[0].Tags["error"])
			})
		}
	}
}

// sayingOnly is the address of a server that reads the beginning of a request, sends answer, and hangs up.
func sayingOnly(t *testing.T, answer string) net.Addr {
	return hangingUp(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 64<<10))
		_, _ = io.WriteString(conn, answer)
	})
}

// hangingUp is the address of a server that does so after answer, with one connection after the other.
func hangingUp(t *testing.T, answer func(conn net.Conn)) net.Addr {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			answer(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr()
}
