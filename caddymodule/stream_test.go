package caddymodule

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// newEchoing is an upstream that takes connections over and repeats what comes, as a WebSocket server of few words.
func newEchoing(t *testing.T) *httptest.Server {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		hijack(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	}))
	t.Cleanup(upstream.Close)
	return upstream
}

const upgradeRequest = "GET Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

func TestUpgradedConnectionIsCountedBothWays(t *testing.T) {
	upstream := newEchoing(t).Listener.Addr()
	for name, more := range map[string][2]string{
		"plain":       {"", "http"},
		"access log":  {"log {\n output discard\n}", "http"},
		"own headers": {"", "calltap"},
	} {
		t.Run(name, func(t *testing.T) {
			zipkin := newCollector(t)
			port := freePort(t)
			run(t, site(zipkin, port, "upstream_spans own", fmt.Sprintf("calltap\n %s\n do\n reverse_proxy %s {\n transport %s\n}", more[0], upstream, more[1])))
			const said, heard = "one\ntwo\nbye\n", "echo one\necho two\n"
			for _, path := range []string{"/ws", "/upgrade-by-header"} { // through a proxy, and by a handler of Caddy's
				answer := talk(t, port, path, upgradeRequest+said)
				require.True(t, strings.HasSuffix(answer, heard), answer)
				s := zipkin.wait(t, path, 1)[0]
				require.Equal(t, "101", s.Tags[span.TagHTTPStatus])
				require.NotContains(t, s.Tags, "error")
				require.Equal(t, []string{noteUpgraded, noteClosed}, notesOf(s))
				require.Equal(t, fmt.Sprint(len(said)), s.Tags[span.TagHTTPReceived])
				require.Equal(t, fmt.Sprint(len(heard)), s.Tags[span.TagHTTPSent])
			}
			_, tries := zipkin.tree(t, "/ws", 1)
			require.Equal(t, "101", tries[0].Tags[span.TagHTTPStatus])
			require.NotContains(t, tries[0].Tags, "error")
		})
	}
}

// An upgrade that is refused is a request like any other.
func TestUpgradeThatIsRefused(t *testing.T) {
	zipkin := newCollector(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	defer upstream.Close()
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n reverse_proxy "+upstream.Listener.Addr().String()))
	talk(t, port, "/ws", "GET Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")
	s := zipkin.wait(t, "/ws", 1)[0]
	require.Equal(t, "403", s.Tags[span.TagHTTPStatus])
	require.Empty(t, s.Annotations)
}

// newEvents is an upstream of server-sent events: one, and when release is closed the last.
func newEvents(t *testing.T) (upstream *httptest.Server, release chan struct{}) {
	release = make(chan struct{})
	upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		io.WriteString(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		select {
		case <-release:
			io.WriteString(w, "data: 2\n\n")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(upstream.Close)
	return upstream, release
}

func TestEventStreamEndsWithItsSpanWhoeverEndsIt(t *testing.T) {
	zipkin := newCollector(t)
	upstream, release := newEvents(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n reverse_proxy "+upstream.Listener.Addr().String()))
	for _, path := range []string{"/client-leaves", "/ends"} {
		ctx, leave := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, err = io.ReadFull(resp.Body, make([]byte, 9))
		require.NoError(t, err)
		want := "9"
		if path == "/ends" {
			close(release)
			io.Copy(io.Discard, resp.Body)
			want = "18"
		}
		leave()
		resp.Body.Close()
		s := zipkin.wait(t, path, 1)[0]
		require.Equal(t, "200", s.Tags[span.TagHTTPStatus], path)
		require.NotContains(t, s.Tags, "error", path)
		require.Equal(t, []string{noteStreaming, noteClosed}, notesOf(s), path)
		require.Equal(t, want, s.Tags[span.TagHTTPSent], path)
	}
}

// protocolSite is a site with TLS of its own on all protocols, and a client for each.
func protocolSite(t *testing.T, zipkin *collector, directives string) (clients map[string]*http.Client, url string) {
	t.Helper()
	port := freePort(t)
	config := strings.Replace(site(zipkin, freePort(t), "", directives), "auto_https off", "auto_https disable_redirects\n skip_install_trust\n servers {\n protocols h1 h2 h3\n}", 1)
	run(t, config+fmt.Sprintf("\nhttps://localhost:%d {\n tls internal\n bind 127.0.0.1\n %s\n}", port, directives))
	address := fmt.Sprintf("127.0.0.1:%d", port)
	require.Eventually(t, func() bool { // the certificate is made in the background
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	clients = map[string]*http.Client{}
	for name, set := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2.0": func(p *http.Protocols) { p.SetHTTP2(true) },
	} {
		transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		set(transport.Protocols)
		t.Cleanup(transport.CloseIdleConnections)
		clients[name] = &http.Client{Transport: transport}
	}
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() { h3.Close() })
	clients["HTTP/3.0"] = &http.Client{Transport: h3}
	return clients, fmt.Sprintf("https://localhost:%d", port)
}

func TestFactsOfEveryProtocol(t *testing.T) {
	zipkin := newCollector(t)
	clients, url := protocolSite(t, zipkin, "calltap\n do")
	n := 0
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			n++
			for act, want := range map[string]struct{ send, status, received, sent, class string }{
				"echo":                {"twelve bytes", "200", "12", "12", ""},
				"early-hints":         {"", "200", "", "14", ""},
				"processing-then-500": {"", "500", "", "", "500"},
				"nocontent":           {"", "204", "", "", ""},
				"trailers":            {"", "200", "", "4", ""},
				"refuse":              {"not wanted", "413", "", "", ""},
				"abort-late":          {"", "200", "", "7", "aborted"},
			} {
				path := "/" + act
				var body io.Reader
				method := http.MethodGet
				if want.send != "" {
					method, body = http.MethodPost, io.MultiReader(strings.NewReader(want.send)) // its length is not told
				}
				req, err := http.NewRequest(method, url+path, body)
				require.NoError(t, err)
				if resp, err := client.Do(req); err == nil {
					require.Equal(t, name, resp.Proto)
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				} else {
					require.Equal(t, "abort-late", act, err)
				}
				all := zipkin.wait(t, path, n)
				s := all[n-1]
				require.Equal(t, [4]string{want.status, want.received, want.sent, want.class},
					[4]string{s.Tags[span.TagHTTPStatus], s.Tags[span.TagHTTPReceived], s.Tags[span.TagHTTPSent], s.Tags["error"]}, act)
			}
		})
	}
}

// grpcUpstream answers as gRPC servers do, with cleartext HTTP/2.
func grpcUpstream(t *testing.T) string {
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // Caddy's own body is not free of races with an answer that comes before
		w.Header().Set("Content-Type", "application/grpc+proto")
		switch r.URL.Path {
		case "/trailers-only": // no message: the status is in the header, which is the trailer (gRPC over HTTP2, Responses)
			w.Header().Set("Grpc-Status", "5")
		case "/announced":
			w.Header().Set("Trailer", "Grpc-Status")
			io.WriteString(w, "\x00\x00\x00\x00\x00")
			w.Header().Set("Grpc-Status", "14")
		case "/not-announced":
			io.WriteString(w, "\x00\x00\x00\x00\x00")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "16")
		case "/fine":
			io.WriteString(w, "\x00\x00\x00\x00\x00")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}
	}))
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	return upstream.Listener.Addr().String()
}

func TestGRPCStatusPassesThroughAProxy(t *testing.T) {
	zipkin := newCollector(t)
	clients, url := protocolSite(t, zipkin, "calltap\n reverse_proxy h2c://"+grpcUpstream(t))
	n := 0
	for _, name := range []string{"HTTP/2.0", "HTTP/3.0"} {
		n++
		for path, want := range map[string][2]string{
			"/trailers-only": {"5", "grpc_5"}, "/announced": {"14", "grpc_14"}, "/not-announced": {"16", "grpc_16"}, "/fine": {"0", ""},
		} {
			req, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader("\x00\x00\x00\x00\x00"))
			require.NoError(t, err)
			req.Header.Set("Te", "trailers")
			resp, err := clients[name].Do(req)
			require.NoError(t, err)
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			s := zipkin.wait(t, path, n)[n-1]
			require.Equal(t, want, [2]string{s.Tags[tagGRPC], s.Tags["error"]}, name+path)
			require.Equal(t, "200", s.Tags[span.TagHTTPStatus])
		}
	}
}

func TestOldAndOddRequests(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n do"))
	for request, want := range map[string][2]string{
		"GET /implicit HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n":                              {"/implicit", "GET"},
		"CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end:                    {"", "CONNECT"},
		"GET http://127.0.0.1/created HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end:             {"/created", "GET"},
		"PROPFIND /nocontent HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n" + end: {"/nocontent", "PROPFIND"},
	} {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		io.WriteString(conn, request)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		io.Copy(io.Discard, conn)
		conn.Close()
		var found *model.SpanModel
		require.Eventually(t, func() bool {
			for _, s := range zipkin.all() {
				if s.Tags[span.TagHTTPMethod] == want[1] && s.Tags[span.TagHTTPPath] == want[0] {
					found = &s
				}
			}
			return found != nil
		}, patience, 10*time.Millisecond, request)
		require.Equal(t, strings.Fields(line)[1], found.Tags[span.TagHTTPStatus], request)
	}
}

// Over HTTP/3 a WebSocket is a stream of its connection (RFC 9220), and nothing is hijacked.
func TestWebSocketOverHTTP3IsAStream(t *testing.T) {
	zipkin := newCollector(t)
	clients, url := protocolSite(t, zipkin, "calltap\n reverse_proxy "+newEchoing(t).Listener.Addr().String())
	in, out := io.Pipe()
	req, err := http.NewRequest(http.MethodConnect, url+"/socket", in)
	require.NoError(t, err)
	req.Proto = "websocket"
	resp, err := clients["HTTP/3.0"].Transport.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	io.WriteString(out, "one\n")
	answer, err := bufio.NewReader(resp.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "echo one\n", answer)
	io.WriteString(out, "bye\n")
	out.Close()
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	s := zipkin.wait(t, "/socket", 1)[0]
	require.Equal(t, "200", s.Tags[span.TagHTTPStatus])
	require.NotContains(t, s.Tags, "error")
	require.Equal(t, []string{noteUpgraded, noteClosed}, notesOf(s))
	require.Equal(t, [2]string{"8", "9"}, [2]string{s.Tags[span.TagHTTPReceived], s.Tags[span.TagHTTPSent]})
}
