package caddymodule

import (
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/calltap/calltap/trigger"
)

// fuzzedSites are handlers that differ in whatever looks at headers, each with a sink of its own.
func fuzzedSites(f *testing.F, sink *emit.Pipeline) []*Handler {
	f.Helper()
	f.Setenv("FUZZ_TRIGGER", testTriggerKey)
	f.Setenv("FUZZ_PROFILER", "SECRET_KEY")
	all := []string{"sw8", "datadog", "uber", "tomograph", "osprofiler", "b3_multi", "b3", "w3c"}
	checker, err := newChecker(&Trigger{OSProfiler: []string{"{env.FUZZ_PROFILER}"}, Keys: []string{"{env.FUZZ_TRIGGER}"}}, caddy.NewReplacer(), new(trigger.Guard))
	require.NoError(f, err)
	sites := []*Handler{siteOf(f, sink, Tracing{})}
	for _, site := range []Tracing{
		{Extract: all, Clear: all, Inject: writable},
		{Extract: all, Inject: []string{}, ResponseHeader: "X-Trace-Id"},
	} {
		h := &Handler{Tracing: site, state: testState(f, sink, askingRules, spanbuilder.LinkOpenStack)}
		h.state.trigger = checker
		require.NoError(f, h.provisionTracing(Tracing{}))
		require.NoError(f, h.provisionRules())
		sites = append(sites, h)
	}
	return sites
}

// FuzzHeaders sends a request with headers of any content, a line each, through handlers with every option that looks at them:
// the next handler is called once and its answer is given, nothing of ours fails, and what goes on is well-formed.
func FuzzHeaders(f *testing.F) {
	sink := emit.New(emit.Options{}, discard{})
	f.Cleanup(func() { _ = sink.Close(f.Context()) })
	sites := fuzzedSites(f, sink)
	for _, header := range inForms {
		f.Add(true, strings.Join(lines(header), "\n"))
	}
	f.Add(false, "X-Trace-Info: "+profilerInfo+"\nX-Trace-Hmac: "+profilerMAC+"\nX-Calltap-Trigger: v1;exp=1;id=0;mac=")
	f.Add(true, "B3: "+strings.Repeat("a", 40)+"\nB3: 0\nX-Openstack-Request-Id: req-463ac35c-9f64-13ad-4848-5a3953bb6124\nX-Plan: gold")
	f.Fuzz(func(t *testing.T, near1 bool, text string) {
		for _, h := range sites {
			r := request1(far)
			if near1 {
				r = request1(near)
			}
			for line := range strings.Lines(text) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
				name = textproto.CanonicalMIMEHeaderKey(name)
				r.Header[name] = append(r.Header[name], value)
			}
			r.URL.Path = "/v2.1/servers/1"
			called := 0
			w := &nullWriter{header: http.Header{}}
			require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				called++
				checkNextHop(t, h, r.Header)
				w.WriteHeader(http.StatusOK)
				return nil
			})))
			require.Equal(t, 1, called)
			require.Zero(t, h.state.faults.Load(), "%q", text)
			require.Zero(t, h.state.requests.n.Load())
		}
	})
}

// checkNextHop asserts that what a site writes is one well-formed value a header, all of the same trace, and that tracestate is bounded.
func checkNextHop(t *testing.T, h *Handler, header http.Header) {
	if len(h.site.Inject) == 0 && h.site.Inject != nil {
		return
	}
	require.Len(t, header["Traceparent"], 1)
	ours, fault := spanbuilder.ParseTraceparent(header["Traceparent"][0])
	require.Equal(t, spanbuilder.NoFault, fault)
	require.Len(t, header["B3"], 1)
	b3, fault := spanbuilder.ParseB3(header["B3"][0])
	require.Equal(t, spanbuilder.NoFault, fault)
	require.Equal(t, ours.TraceID, b3.TraceID)
	require.Equal(t, ours.SpanID, b3.SpanID)
	for _, state := range header["Tracestate"] {
		require.LessOrEqual(t, len(state), 512)
	}
	if !h.contexts.Injects(spanbuilder.FormatB3Multi) {
		return
	}
	require.Len(t, header["X-B3-Traceid"], 1)
	require.Equal(t, []string{ours.SpanID.String()}, header["X-B3-Spanid"])
	require.True(t, strings.HasSuffix(ours.TraceID.String(), header["X-B3-Traceid"][0]))
	require.NotContains(t, header, "Uber-Trace-Id")
	require.NotContains(t, header, "X-Datadog-Trace-Id")
}

// lines are header lines of pairs.
func lines(header []string) (all []string) {
	for i := 0; i < len(header); i += 2 {
		all = append(all, header[i]+": "+header[i+1])
	}
	return all
}
