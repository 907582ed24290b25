package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// BenchmarkUpstreamSpans is, on less off, what one attempt over a connection that is reused adds to the handler. What it adds
// to reverse_proxy itself, which puts its own trace on top of ours, is not in it.
func BenchmarkUpstreamSpans(b *testing.B) {
	pipeline := emit.New(emit.Options{}, discard{})
	defer pipeline.Close(context.Background())
	for _, mode := range []string{"off", "on"} {
		b.Run(mode, func(b *testing.B) {
			h := newHandler(b, "shop", testState(b, pipeline, keyrules.Config{}, spanbuilder.LinkNone))
			h.site.UpstreamSpans = mode
			w := &nullWriter{header: http.Header{}}
			next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				if t := httptrace.ContextClientTrace(r.Context()); t != nil {
					t.GetConn("10.0.0.5:8774")
					t.GotConn(httptrace.GotConnInfo{Reused: true})
					t.WroteRequest(httptrace.WroteRequestInfo{})
					t.GotFirstResponseByte()
					t.PutIdleConn(nil)
				}
				w.WriteHeader(http.StatusOK)
				return nil
			})
			b.ReportAllocs()
			for b.Loop() {
				r := caddyRequest(request1(near), w) // never used again; off pays for it as well
				_ = h.ServeHTTP(w, r, next)
			}
		})
	}
}
