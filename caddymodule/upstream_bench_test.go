package caddymodule

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// BenchmarkUpstreamSpans is, on less off, what one attempt over a connection that is reused adds to a proxied request.
func BenchmarkUpstreamSpans(b *testing.B) {
	pipeline := emit.New(emit.Options{}, discard{})
	defer pipeline.Close(context.Background())
	for _, mode := range []string{"off", "on"} {
		b.Run(mode, func(b *testing.B) {
			h := newHandler(b, "shop", testState(b, pipeline, keyrules.Config{}, spanbuilder.LinkNone))
			h.site.UpstreamSpans = mode
			w := &nullWriter{header: http.Header{}}
			next := caddyhttp.HandlerFunc(proxyOnce)
			b.ReportAllocs()
			for b.Loop() {
				r := caddyRequest(request1(near), w) // never used again; off pays for it as well
				_ = h.ServeHTTP(w, r, next)
			}
		})
	}
}

// idle is a connection to an upstream.
var idle net.Conn = idleConn{remote: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 8774}}

type idleConn struct {
	net.Conn
	remote *net.TCPAddr
}

func (c idleConn) RemoteAddr() net.Addr { return c.remote }

// proxyOnce does with a request's context what reverse_proxy and net/http do with it for an attempt over an idle connection.
func proxyOnce(w http.ResponseWriter, r *http.Request) error {
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	own := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil }}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), own))
	t := httptrace.ContextClientTrace(r.Context())
	if t.GetConn != nil {
		t.GetConn("10.0.0.5:8774")
	}
	if t.GotConn != nil {
		t.GotConn(httptrace.GotConnInfo{Conn: idle, Reused: true, WasIdle: true})
	}
	if t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{})
	}
	if t.GotFirstResponseByte != nil {
		t.GotFirstResponseByte()
	}
	if t.PutIdleConn != nil {
		t.PutIdleConn(nil)
	}
	repl.Set("http.reverse_proxy.upstream.latency", 1)
	repl.Set("http.reverse_proxy.status_code", http.StatusOK)
	w.WriteHeader(http.StatusOK)
	return nil
}
