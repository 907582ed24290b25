package caddymodule

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// discard is the cheapest emitter there is.
type discard struct{}

func (discard) Name() string { return "discard" }

func (discard) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	return emit.Outcome{Emitted: len(batch)}
}

func (discard) Close() error { return nil }

// nullWriter is a response that goes nowhere.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

// BenchmarkHandler is all that a request costs in this process, without the two headers that are sent
// on: handler, ids, key, span, tags, queue. Bare is the same loop without the handler.
func BenchmarkHandler(b *testing.B) {
	pipeline := emit.New(emit.Options{}, discard{})
	defer pipeline.Close(context.Background())
	for name, in := range map[string]http.Header{
		"root":      {},
		"traced":    {"Traceparent": {"00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01"}},
		"unsampled": {"B3": {"0"}},
	} {
		h := newHandler(b, "nova-api", testState(b, pipeline, keyrules.Config{}, spanbuilder.LinkNone))
		b.Run(name, func(b *testing.B) { benchmarkHandler(b, h, in) })
	}
	b.Run("openstack", func(b *testing.B) {
		h := newHandler(b, "nova-api", testState(b, pipeline, novaRules, spanbuilder.LinkOpenStack))
		benchmarkHandler(b, h, http.Header{})
	})
	b.Run("asking", func(b *testing.B) {
		h := newHandler(b, "nova-api", testState(b, pipeline, askingRules, spanbuilder.LinkNone))
		benchmarkHandler(b, h, http.Header{"X-Plan": {"gold"}})
	})
	b.Run("bare", func(b *testing.B) { benchmarkHandler(b, nil, http.Header{}) })
}

var novaRules = keyrules.Config{Rules: []keyrules.Rule{
	{Kind: "http", Methods: []string{"GET"}, Path: "/v2.1/servers/{id}", Key: "nova.api.servers.{action}.{method}", Action: "show"},
	{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1"}},
}}

// askingRules read a header and give a tag and a note.
var askingRules = keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Methods: []string{"GET"}, Path: "/v2.1/servers/{id}",
	Headers: []keyrules.Match{{Name: "X-Plan", Value: "gold"}}, Key: "nova.{header.X-Plan}.{method}",
	Tags: []keyrules.Tag{{Name: "plan", Value: "{header.X-Plan}"}}, Notes: []string{"seen"}}}}

// crowd is how many requests take turns, as those of many connections do.
const crowd = 64

// benchmarkHandler makes each request new before it is served, which bare pays too.
func benchmarkHandler(b *testing.B, h *Handler, in http.Header) {
	w := &nullWriter{header: http.Header{}}
	var requests [crowd]*http.Request
	for i := range requests {
		requests[i] = benchRequest(w)
	}
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r := requests[n%crowd]
		refresh(r, in)
		if h == nil {
			_ = next.ServeHTTP(w, r)
		} else {
			_ = h.ServeHTTP(w, r, next)
		}
	}
}

func benchRequest(w http.ResponseWriter) *http.Request {
	const path = "/v2.1/servers/5af7183f-b1d4-4f5f-863a-c35736b21a58"
	return caddyRequest(&http.Request{
		Method: "GET", Host: "127.0.0.1:8774", URL: &url.URL{Path: path}, RequestURI: path,
		RemoteAddr: "127.0.0.1:40000", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
	}, w)
}

// refresh makes r a new request, as the client sent it.
func refresh(r *http.Request, in http.Header) {
	clear(r.Header)
	for name, values := range in {
		r.Header[name] = values
	}
	vars := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	for _, name := range []string{traceIDVar, spanIDVar} {
		delete(vars, name)
	}
}

// caddyRequest gives r the context that Caddy's server gives it, access logs off.
func caddyRequest(r *http.Request, w http.ResponseWriter) *http.Request {
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{})
}

// testState is what Provision would make, with a sink of the test's own.
func testState(t testing.TB, sink *emit.Pipeline, keys keyrules.Config, link spanbuilder.Link) *state {
	rules, err := keyrules.Compile(keys)
	if err != nil {
		t.Fatal(err)
	}
	st := &state{logger: zap.NewNop(), shared: &shared{links: spanbuilder.NewLinks(0)}, pipeline: &pipeline{Pipeline: sink}}
	st.tracer = &spanbuilder.Tracer{Rules: rules, Head: sampling.All, Link: link, Links: st.links, Sink: sink}
	return st
}
