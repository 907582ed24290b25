package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// attemptsOf are those of a request with the context ctx.
func attemptsOf(t *testing.T, ctx context.Context) *attempts {
	st := testState(t, nil, keyrules.Config{}, spanbuilder.LinkNone)
	return newAttempts(st, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx), momentOf(time.Now()), spanbuilder.Server{}, false)
}

// over ends the request of a, and reports whether its hooks will be another's.
func over(a *attempts) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finish(outcome{}, false, a.now())
	spent := a.spent()
	a.unwatch()
	return spent
}

// onTop puts a trace on top of those of ctx, as reverse_proxy does.
func onTop(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil }})
}

func fetch(t *testing.T, client *http.Client, ctx context.Context, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
}

// If Go looks for hooks in another way some day, this is where it shows. That hooks are never spent would not show elsewhere.
func TestTransportsFindTheHooksInTheContext(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") }))
			start(upstream)
			defer upstream.Close()
			for i, wrap := range []func(context.Context) context.Context{onTop, onTop, func(ctx context.Context) context.Context { return ctx }} {
				a := attemptsOf(t, context.Background())
				fetch(t, upstream.Client(), wrap(a), upstream.URL)
				require.Equal(t, i == 1, over(a)) // the first dials, and net/http asks more than once for what it is not given
				require.Len(t, a.list, 1)
				c := a.list[0]
				require.Equal(t, i == 0, c.connect != 0 && c.connected != 0)
				require.Equal(t, i == 0 && name == "https", c.secure != 0 && c.secured != 0)
				require.NotZero(t, c.sent)
				require.NotZero(t, c.first)
				require.Equal(t, upstream.Listener.Addr().String(), c.remote.String())
				require.Nil(t, httptrace.ContextClientTrace(a), "the request has ended")
			}
		})
	}
}

// Another module's trace before ours, and one on top of it, go on to be told.
func TestTracesOfOthersAreToldToo(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer upstream.Close()
	var before, after []string
	told := func(list *[]string) *httptrace.ClientTrace {
		return &httptrace.ClientTrace{
			GetConn:     func(string) { *list = append(*list, "get") },
			ConnectDone: func(string, string, error) { *list = append(*list, "connected") },
			GotConn:     func(httptrace.GotConnInfo) { *list = append(*list, "got") },
		}
	}
	a := attemptsOf(t, httptrace.WithClientTrace(context.Background(), told(&before)))
	fetch(t, upstream.Client(), httptrace.WithClientTrace(a, told(&after)), upstream.URL)
	require.False(t, over(a), "others have the hooks")
	require.Equal(t, []string{"get", "connected", "got"}, before)
	require.Equal(t, before, after)
	require.NotZero(t, a.list[0].connect)
	require.NotZero(t, a.list[0].first)
}

// Hooks that somebody may still call would tell the next request of what is not its own.
func TestHooksThatMayStillBeCalledAreNotUsedAgain(t *testing.T) {
	ask := func(a *attempts) *httptrace.ClientTrace { return httptrace.ContextClientTrace(a) }
	idle := httptrace.GotConnInfo{Reused: true, WasIdle: true}
	for name, c := range map[string]struct {
		calls func(a *attempts, t *httptrace.ClientTrace)
		spent bool
	}{
		"all is told": {spent: true},
		"nothing":     {calls: func(*attempts, *httptrace.ClientTrace) {}},
		"others have them": {calls: func(a *attempts, t *httptrace.ClientTrace) {
			ask(a)
			told(t, idle, nil)
		}},
		"a connection was dialled": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			told(t, httptrace.GotConnInfo{}, nil)
		}},
		"another's connection came while one was dialled": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			told(t, httptrace.GotConnInfo{Reused: true}, nil)
		}},
		"the connection is not idle again": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			told(t, idle, io.EOF)
		}},
		"the request is still being sent": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			t.GetConn("10.0.0.5:80")
			t.GotConn(idle)
			t.GotFirstResponseByte()
			t.PutIdleConn(nil)
		}},
		"the response goes on": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			t.GetConn("10.0.0.5:80")
			t.GotConn(idle)
			t.WroteRequest(httptrace.WroteRequestInfo{})
			t.GotFirstResponseByte()
		}},
		"it is tried again": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			told(t, idle, nil)
			t.GetConn("10.0.0.5:80")
		}},
		"it was tried twice": {calls: func(_ *attempts, t *httptrace.ClientTrace) {
			told(t, idle, nil)
			told(t, idle, nil)
		}},
		"the transport calltap's was sent again": {calls: func(a *attempts, t *httptrace.ClientTrace) {
			a.beginExact(httptest.NewRequest(http.MethodGet, "/", nil))
			t.GetConn("10.0.0.5:80")
			t.GotConn(idle)
			told(t, idle, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := attemptsOf(t, context.Background())
			trace := ask(a)
			if c.calls == nil {
				told(trace, idle, nil)
			} else {
				c.calls(a, trace)
			}
			require.Equal(t, c.spent, over(a))
			told(trace, idle, nil) // too late, and nobody's
			require.Zero(t, a.st.faults.Load())
			require.Empty(t, nobody.list)
		})
	}
}

// told calls the hooks of an attempt.
func told(t *httptrace.ClientTrace, info httptrace.GotConnInfo, idle error) {
	t.GetConn("10.0.0.5:80")
	t.GotConn(info)
	t.WroteRequest(httptrace.WroteRequestInfo{})
	t.GotFirstResponseByte()
	t.PutIdleConn(idle)
}

// QUIC has no dialler that would ask for hooks: its connection is its handshake.
func TestUpstreamOverHTTP3(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	upstream := &http3.Server{
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: cert.TLS.Certificates}),
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") }),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = upstream.Serve(listener)
	}()
	defer func() {
		require.NoError(t, upstream.Close())
		_ = listener.Close()
		<-done
	}()
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, "upstream_spans on", fmt.Sprintf(`calltap
		reverse_proxy https://%s {
			transport http {
				versions 3
				tls_insecure_skip_verify
			}
		}`, listener.LocalAddr())))
	resp, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "pong", body)
	_, tries := zipkin.tree(t, "/a", 1)
	require.Equal(t, []string{"connect_start", "connect_done", "tls_start", "tls_done"}, notesOf(tries[0])[:4])
	require.Equal(t, "new", tries[0].Tags[tagReused])
	require.NotContains(t, tries[0].Tags, "error")
}
