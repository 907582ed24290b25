package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// ways are the two in which attempts are seen: what a site says, and its transport.
var ways = map[string][2]string{
	"on":  {"upstream_spans on", "http"},
	"own": {"upstream_spans own", "calltap"},
}

// tree waits for the request's own span of the path, and n CLIENT spans below it in the order of their beginning.
func (c *collector) tree(t *testing.T, path string, n int) (server model.SpanModel, tries []model.SpanModel) {
	t.Helper()
	server = c.wait(t, path, 1)[0]
	require.Equal(t, model.Server, server.Kind)
	require.Eventually(t, func() bool {
		tries = nil
		for _, s := range c.all() {
			if s.TraceID == server.TraceID && s.Kind == model.Client {
				tries = append(tries, s)
			}
		}
		return len(tries) >= n
	}, patience, 10*time.Millisecond, "attempts of %s", path)
	require.Len(t, tries, n)
	slices.SortFunc(tries, func(a, b model.SpanModel) int { return a.Timestamp.Compare(b.Timestamp) })
	for _, try := range tries {
		require.Equal(t, server.ID, *try.ParentID)
		require.False(t, try.Timestamp.Before(server.Timestamp))
		require.LessOrEqual(t, try.Timestamp.Add(try.Duration).UnixMicro(), server.Timestamp.Add(server.Duration).UnixMicro())
		require.Equal(t, server.LocalEndpoint, try.LocalEndpoint)
		require.Equal(t, server.Name, try.Name)
		require.NotEqual(t, server.ID, try.ID)
		for _, note := range try.Annotations {
			require.False(t, note.Timestamp.Before(try.Timestamp), note.Value)
		}
	}
	return server, tries
}

func notesOf(s model.SpanModel) (notes []string) {
	for _, note := range s.Annotations {
		notes = append(notes, note.Value)
	}
	return notes
}

// seen is an upstream that answers 200 and tells the trace headers that it was sent.
func newSeen(t *testing.T) (upstream *httptest.Server, seen chan http.Header) {
	seen = make(chan http.Header, 64)
	upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		seen <- r.Header
		io.WriteString(w, "hello")
	}))
	t.Cleanup(upstream.Close)
	return upstream, seen
}

func TestUpstreamThatRefusesAndTheOneThatTakesOver(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream, seen := newSeen(t)
			port, dead := freePort(t), freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				reverse_proxy 127.0.0.1:%d %s {
					lb_policy first
					lb_retries 3
					fail_duration 1m
					transport %s
				}`, dead, upstream.Listener.Addr(), words[1])))
			resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			require.Equal(t, 200, resp.StatusCode)
			server, tries := zipkin.tree(t, "/a", 2)
			require.Equal(t, "200", server.Tags[span.TagHTTPStatus])

			first, second := tries[0], tries[1]
			require.Equal(t, "refused", first.Tags["error"])
			require.Equal(t, fmt.Sprintf("127.0.0.1:%d", dead), first.Tags[tagUpstream])
			require.EqualValues(t, dead, first.RemoteEndpoint.Port)
			require.Equal(t, "127.0.0.1", first.RemoteEndpoint.IPv4.String())
			require.NotContains(t, first.Tags, span.TagHTTPStatus)
			require.NotContains(t, first.Tags, tagResend)
			require.Equal(t, []string{"connect_start"}, notesOf(first))
			require.Less(t, first.Duration, 200*time.Millisecond, "the pause before the retry is not a part of it")

			require.NotContains(t, second.Tags, "error")
			require.Equal(t, "200", second.Tags[span.TagHTTPStatus])
			require.Equal(t, "1", second.Tags[tagResend])
			require.Equal(t, "new", second.Tags[tagReused])
			require.Equal(t, []string{"retry", "connect_start", "connect_done", "request_sent", "first_byte"}, notesOf(second))
			require.Equal(t, upstream.Listener.Addr().String(), fmt.Sprintf("%s:%d", second.RemoteEndpoint.IPv4, second.RemoteEndpoint.Port))

			parent := server.ID
			if way == "own" {
				parent = second.ID
				require.Equal(t, "5", second.Tags[span.TagHTTPSent])
			}
			header := <-seen
			require.Equal(t, fmt.Sprintf("00-%s-%s-01", server.TraceID, parent), header.Get("traceparent"))
			require.True(t, strings.HasPrefix(header.Get("b3"), fmt.Sprintf("%s-%s-1", server.TraceID, parent)), header.Get("b3"))

			get(t, fmt.Sprintf("http://127.0.0.1:%d/b", port))
			_, tries = zipkin.tree(t, "/b", 1)
			require.Equal(t, "reused", tries[0].Tags[tagReused])
			require.Equal(t, []string{"request_sent", "first_byte"}, notesOf(tries[0]))
		})
	}
}

// faultyUpstreams are upstreams that fail, and what is said of the attempt.
var faultyUpstreams = map[string]struct {
	serve   http.HandlerFunc
	options string
	class   string // of the attempt
	status  string // of the attempt
	whole   string // class of the request
}{
	"closes before a response": {
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "no_response", "", "502"},
	"closes in mid-body": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "partial")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, "", "aborted", "200", "aborted"},
	"is too slow": {
		func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "response_header_timeout 50ms", "timeout", "", "504"},
	"answers 503":                    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "", "503", "503", "503"},
	"answers 404, which is no fault": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "", "", "404", ""},
	"speaks something else": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
		conn.Close()
	}, "", "bad_response", "", "502"},
}

func TestUpstreamThatFails(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			var proxies strings.Builder
			paths := map[string]string{}
			for name, f := range faultyUpstreams {
				upstream := httptest.NewServer(f.serve)
				defer upstream.Close()
				paths[name] = "/" + strings.NewReplacer(" ", "-", ",", "").Replace(name)
				fmt.Fprintf(&proxies, "reverse_proxy %s %s {\n transport %s {\n %s\n}\n}\n", paths[name], upstream.Listener.Addr(), words[1], f.options)
			}
			run(t, site(zipkin, port, words[0], "calltap\n"+proxies.String()))
			for name, f := range faultyUpstreams {
				talk(t, port, paths[name], "")
				server, tries := zipkin.tree(t, paths[name], 1)
				require.Equal(t, [3]string{f.class, f.status, f.whole},
					[3]string{tries[0].Tags["error"], tries[0].Tags[span.TagHTTPStatus], server.Tags["error"]}, name)
			}
		})
	}
}

func TestResponsesThatAreTriedAgain(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream, _ := newSeen(t)
			busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
			defer busy.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				reverse_proxy %s %s {
					lb_policy round_robin
					lb_retries 2
					lb_retry_match `+"`{rp.status_code} == 503`"+`
					transport %s
				}`, busy.Listener.Addr(), upstream.Listener.Addr(), words[1])))
			for path := range strings.SplitSeq("/a /b", " ") {
				resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
				require.Equal(t, 200, resp.StatusCode)
			}
			statuses := map[string]int{}
			for _, s := range zipkin.waitKind(t, model.Client, 3) {
				statuses[s.Tags[span.TagHTTPStatus]+" "+s.Tags["error"]+" "+s.Tags[tagResend]]++
			}
			require.Equal(t, map[string]int{"503 503 ": 1, "200  1": 1, "200  ": 1}, statuses)
		})
	}
}

// waitKind returns the spans of the kind when there are n.
func (c *collector) waitKind(t *testing.T, kind model.Kind, n int) (found []model.SpanModel) {
	t.Helper()
	require.Eventually(t, func() bool {
		found = nil
		for _, s := range c.all() {
			if s.Kind == kind {
				found = append(found, s)
			}
		}
		return len(found) >= n
	}, patience, 10*time.Millisecond)
	require.Len(t, found, n)
	return found
}

func TestSubrequestOfForwardAuthIsASpanOfTheSameTraceAndNoRetry(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream, seen := newSeen(t)
			auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen <- r.Header
				if r.Header.Get("X-Forwarded-Uri") == "/denied" {
					w.WriteHeader(401)
				}
				io.WriteString(w, "a body that nobody reads")
			}))
			defer auth.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				forward_auth %s {
					uri /check
					transport %s
				}
				reverse_proxy %s {
					transport %s
				}`, auth.Listener.Addr(), words[1], upstream.Listener.Addr(), words[1])))
			get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			server, tries := zipkin.tree(t, "/a", 2)
			for i, address := range []string{auth.Listener.Addr().String(), upstream.Listener.Addr().String()} {
				require.Equal(t, address, tries[i].Tags[tagUpstream])
				require.Equal(t, "200", tries[i].Tags[span.TagHTTPStatus])
				require.NotContains(t, tries[i].Tags, tagResend)
				require.NotContains(t, tries[i].Tags, "error")
				require.True(t, strings.HasPrefix((<-seen).Get("traceparent"), "00-"+server.TraceID.String()))
			}
			require.LessOrEqual(t, tries[0].Timestamp.Add(tries[0].Duration).UnixMicro(), tries[1].Timestamp.UnixMicro(),
				"the answer was complete before the request went on")

			get(t, fmt.Sprintf("http://127.0.0.1:%d/denied", port))
			_, tries = zipkin.tree(t, "/denied", 1)
			require.Equal(t, "401", tries[0].Tags[span.TagHTTPStatus])
		})
	}
}

func TestSecondProxyOfHandleResponse(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			upstream, _ := newSeen(t)
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }))
			defer origin.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				reverse_proxy %s {
					transport %s
					@missing status 404
					handle_response @missing {
						reverse_proxy %s {
							transport %[2]s
						}
					}
				}`, origin.Listener.Addr(), words[1], upstream.Listener.Addr())))
			resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			require.Equal(t, 200, resp.StatusCode)
			_, tries := zipkin.tree(t, "/a", 2)
			require.Equal(t, [2]string{"404", "200"}, [2]string{tries[0].Tags[span.TagHTTPStatus], tries[1].Tags[span.TagHTTPStatus]})
			require.NotContains(t, tries[1].Tags, tagResend)
		})
	}
}

func TestHealthChecksAreNobodysAttempts(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			checks := make(chan http.Header, 64)
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/health" {
					select {
					case checks <- r.Header:
					default:
					}
				}
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				reverse_proxy %s {
					health_uri /health
					health_interval 10ms
					transport %s
				}`, upstream.Listener.Addr(), words[1])))
			for range 3 {
				require.NotContains(t, <-checks, "Traceparent")
			}
			get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			zipkin.tree(t, "/a", 1)
			require.Len(t, zipkin.all(), 2)
		})
	}
}

func TestUpstreamWithTLS(t *testing.T) {
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer upstream.Close()
	address := upstream.Listener.Addr().String()
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf(`calltap
				reverse_proxy /trusted https://%s {
					transport %s {
						tls_insecure_skip_verify
					}
				}
				reverse_proxy /stranger https://%s {
					transport %s
				}`, address, words[1], address, words[1])))
			_, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/trusted", port))
			require.Equal(t, address, body, "the transport's own header_up Host")
			_, tries := zipkin.tree(t, "/trusted", 1)
			require.Equal(t, []string{"connect_start", "connect_done", "tls_start", "tls_done", "request_sent", "first_byte"}, notesOf(tries[0]))
			get(t, fmt.Sprintf("http://127.0.0.1:%d/stranger", port))
			_, tries = zipkin.tree(t, "/stranger", 1)
			require.Equal(t, "tls", tries[0].Tags["error"])
		})
	}
}

func TestUpstreamsOfOtherKinds(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	unix := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}}
	unix.Start()
	defer unix.Close()
	h2c := httptest.NewUnstartedServer(unix.Config.Handler)
	h2c.Config.Protocols = new(http.Protocols)
	h2c.Config.Protocols.SetUnencryptedHTTP2(true)
	h2c.Start()
	defer h2c.Close()
	byName := strings.Replace(h2c.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	upstreams := map[string][2]string{ // by path: as Caddy wants it, and as it dials it
		"/unix": {"unix/" + socket, "unix/" + socket},
		"/h2c":  {"h2c://" + h2c.Listener.Addr().String(), h2c.Listener.Addr().String()},
		"/name": {"h2c://" + byName, byName},
	}
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			var proxies strings.Builder
			for path, upstream := range upstreams {
				fmt.Fprintf(&proxies, "reverse_proxy %s %s {\n transport %s\n}\n", path, upstream[0], words[1])
			}
			run(t, site(zipkin, port, words[0], "calltap\n"+proxies.String()))
			for path, upstream := range upstreams {
				resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
				require.Equal(t, 200, resp.StatusCode)
				_, tries := zipkin.tree(t, path, 1)
				require.Equal(t, upstream[1], tries[0].Tags[tagUpstream])
				require.Equal(t, "200", tries[0].Tags[span.TagHTTPStatus])
				require.NotContains(t, tries[0].Tags, "error")
				require.Contains(t, notesOf(tries[0]), "first_byte")
				if path == "/name" {
					require.Equal(t, "localhost", tries[0].RemoteEndpoint.ServiceName)
				}
			}
		})
	}
}

// FastCGI tells httptrace nothing but its dials.
func TestUpstreamWithFastCGI(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(503)
			io.WriteString(w, fcgi.ProcessEnv(r)["SCRIPT_FILENAME"])
		}))
	}()
	defer func() { listener.Close(); <-done }()
	dir := t.TempDir()
	for way, words := range map[string][2]string{"on": {"on", "fastcgi"}, "own": {"own", "calltap fastcgi"}} {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			run(t, site(zipkin, port, "upstream_spans "+words[0], fmt.Sprintf(`calltap
				reverse_proxy %s {
					transport %s {
						root %s
						split .php
					}
				}`, listener.Addr(), words[1], dir)))
			_, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/a.php", port))
			require.Equal(t, filepath.Join(dir, "a.php"), body)
			_, tries := zipkin.tree(t, "/a.php", 1)
			require.Equal(t, "503 503", tries[0].Tags[span.TagHTTPStatus]+" "+tries[0].Tags["error"])
			require.Equal(t, listener.Addr().String(), tries[0].Tags[tagUpstream])
			require.Contains(t, notesOf(tries[0]), "connect_done")
		})
	}
}

func TestClientThatLeavesEndsTheAttempt(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			entered := make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", upstream.Listener.Addr(), words[1])))
			ctx, leave := context.WithCancel(context.Background())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/a", port), nil)
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, err := http.DefaultClient.Do(req)
				require.ErrorIs(t, err, context.Canceled)
			}()
			<-entered
			leave()
			<-done
			_, tries := zipkin.tree(t, "/a", 1)
			require.Equal(t, classClientGone, tries[0].Tags["error"])
		})
	}
}

// The attempt lasts as long as its response does, not until its header.
func TestAttemptEndsWithItsBody(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			release := make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "begin")
				http.NewResponseController(w).Flush()
				<-release
				io.WriteString(w, "end")
			}))
			defer upstream.Close()
			port := freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy %s {\n transport %s\n}", upstream.Listener.Addr(), words[1])))
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/a", port))
			require.NoError(t, err)
			defer resp.Body.Close()
			_, err = io.ReadFull(resp.Body, make([]byte, 5))
			require.NoError(t, err)
			begun := time.Now().UnixMicro()
			close(release)
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "end", string(rest))
			server, tries := zipkin.tree(t, "/a", 1)
			require.GreaterOrEqual(t, tries[0].Timestamp.Add(tries[0].Duration).UnixMicro(), begun)
			require.Equal(t, "8", server.Tags[span.TagHTTPSent])
			if way == "own" {
				require.Equal(t, "8", tries[0].Tags[span.TagHTTPSent])
			}
		})
	}
}

// A proxy that tries without pause must not fill the memory.
func TestAttemptsOfOneRequestAreBounded(t *testing.T) {
	for way, words := range ways {
		t.Run(way, func(t *testing.T) {
			zipkin := newCollector(t)
			port, dead := freePort(t), freePort(t)
			run(t, site(zipkin, port, words[0], fmt.Sprintf("calltap\n reverse_proxy 127.0.0.1:%d {\n lb_retries 99\n transport %s\n}", dead, words[1])))
			get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
			_, tries := zipkin.tree(t, "/a", maxAttempts)
			last := tries[maxAttempts-1]
			require.Equal(t, "99", last.Tags[tagResend])
			require.Equal(t, fmt.Sprint(100-maxAttempts), last.Tags[tagLeftOut])
			require.Equal(t, "refused", last.Tags["error"])
		})
	}
}

func TestWithoutUpstreamSpansThereAreNone(t *testing.T) {
	zipkin := newCollector(t)
	upstream, seen := newSeen(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", fmt.Sprintf("calltap\n reverse_proxy %s {\n transport calltap\n}", upstream.Listener.Addr())))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
	server, _ := zipkin.tree(t, "/a", 0)
	require.Equal(t, fmt.Sprintf("00-%s-%s-01", server.TraceID, server.ID), (<-seen).Get("traceparent"))
	require.Len(t, zipkin.all(), 1)
}

// brokenConn is a connection of a transport that nobody has heard of.
type brokenConn struct{ net.Conn }

func (brokenConn) RemoteAddr() net.Addr { panic("no address") }

// A fault on a goroutine of a transport would end the process.
func TestFaultInATransportsGoroutineIsSurvived(t *testing.T) {
	st := testState(t, nil, keyrules.Config{}, spanbuilder.LinkNone)
	a := newAttempts(st, caddyRequest(request1(near), &nullWriter{}), momentOf(time.Now()), spanbuilder.Server{}, false)
	trace := httptrace.ContextClientTrace(a)
	trace.GetConn("10.0.0.5:80")
	trace.GotConn(httptrace.GotConnInfo{Conn: brokenConn{}})
	require.EqualValues(t, 1, st.faults.Load())
	trace.GotConn(httptrace.GotConnInfo{}) // and the lock is free
	trace.GotFirstResponseByte()
}

// What transports tell of a request that is over is nobody's.
func TestTransportThatTellsTooLate(t *testing.T) {
	st := testState(t, nil, keyrules.Config{}, spanbuilder.LinkNone)
	a := newAttempts(st, caddyRequest(request1(near), &nullWriter{}), momentOf(time.Now()), spanbuilder.Server{}, false)
	a.finish(outcome{}, false, a.now())
	trace := httptrace.ContextClientTrace(a)
	trace.GetConn("10.0.0.5:80")
	a.connectStart("tcp", "10.0.0.5:80")
	a.connectDone("tcp", "10.0.0.5:80", io.EOF)
	trace.GotConn(httptrace.GotConnInfo{})
	a.dnsDone(httptrace.DNSDoneInfo{Err: io.EOF})
	trace.TLSHandshakeStart()
	trace.TLSHandshakeDone(tls.ConnectionState{}, io.EOF)
	trace.WroteRequest(httptrace.WroteRequestInfo{Err: io.EOF})
	trace.GotFirstResponseByte()
	trace.PutIdleConn(nil)
	require.Empty(t, a.list)
	require.Zero(t, st.faults.Load())
}

// A name with several addresses, the first of which is dead, is one attempt that succeeds.
func TestNameWithADeadAddress(t *testing.T) {
	st := testState(t, nil, keyrules.Config{}, spanbuilder.LinkNone)
	a := newAttempts(st, caddyRequest(request1(near), &nullWriter{}), momentOf(time.Now()), spanbuilder.Server{}, false)
	trace := httptrace.ContextClientTrace(a)
	trace.GetConn("app.example.org:80")
	a.connectStart("tcp", "[2001:db8::1]:80")
	a.connectStart("tcp", "192.0.2.1:80")
	a.connectDone("tcp", "[2001:db8::1]:80", syscall.ECONNREFUSED)
	a.connectDone("tcp", "192.0.2.1:80", nil)
	a.connectDone("tcp", "[2001:db8::2]:80", context.Canceled)
	trace.GotConn(httptrace.GotConnInfo{})
	trace.GotFirstResponseByte()
	a.finish(outcome{}, false, a.now())
	require.Len(t, a.list, 1)
	require.Empty(t, a.list[0].class())
	require.Equal(t, span.Endpoint{Service: "app.example.org", IP: netip.MustParseAddr("192.0.2.1"), Port: 80}, a.list[0].endpoint())
}
