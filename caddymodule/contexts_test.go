package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// siteOf is a handler of a site that says something of trace headers.
func siteOf(t testing.TB, p *emit.Pipeline, site Tracing) *Handler {
	t.Helper()
	h := &Handler{Service: "svc", Tracing: site, state: testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)}
	require.NoError(t, h.provisionTracing(Tracing{}))
	require.NoError(t, h.provisionRules())
	return h
}

// throughSite sends r through such a site and returns the headers that the next handler saw, and the span.
func throughSite(t testing.TB, site Tracing, r *http.Request) (seen http.Header, s span.Span) {
	t.Helper()
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	h := siteOf(t, p, site)
	w := &nullWriter{header: http.Header{}}
	require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		seen = r.Header
		w.WriteHeader(http.StatusOK)
		return nil
	})))
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 1)
	require.Zero(t, h.state.faults.Load())
	return seen, c.spans[0]
}

// inForms are good headers of each form that a site can read. All but Datadog's, which is wider, name a trace of 64 bits.
var inForms = map[string][]string{
	"w3c":       {"Traceparent", "00-" + inTrace + "-" + inSpan + "-01", "Tracestate", "a=b"},
	"b3":        {"B3", inTrace + "-" + inSpan + "-d"},
	"b3_multi":  {"X-B3-Traceid", inTrace, "X-B3-Spanid", inSpan, "X-B3-Flags", "1", "X-B3-Parentspanid", inSpan},
	"tomograph": {"X-Trace-Info", "KEkyOTA4NjE3NjAwNTAzNTEKSTc5MTE0OTQzOTUzNTM3MjYKdHAwCi4="},
	"uber":      {"Uber-Trace-Id", inTrace + ":" + inSpan + ":0:3"},
	"sw8":       {"Sw8", "1-NDYzYWMzNWMtOWY2NC0xM2FkLTQ4NDgtNWEzOTUzYmI2MTI0-c2Vn-3-c3Zj-aQ==-L2U=-YTo4MA=="},
	"datadog": {"X-Datadog-Trace-Id", "5208512171318403364", "X-Datadog-Parent-Id", "11744061942159299346",
		"X-Datadog-Sampling-Priority", "2", "X-Datadog-Tags", "_dd.p.dm=-4,_dd.p.tid=463ac35c9f6413ad"},
}

func TestEachFormIsContinuedAndReplaced(t *testing.T) {
	for form, header := range inForms {
		seen, s := throughSite(t, Tracing{Extract: []string{form}}, request1(near, header...))
		if form == "tomograph" {
			require.Equal(t, "00000000000000000001088987e2f4af", s.TraceID.String())
		} else {
			require.Equal(t, inTrace, s.TraceID.String(), form)
		}
		require.NotZero(t, s.Parent, form)
		require.NotEqual(t, s.Parent, s.ID, form)
		require.Equal(t, []string{fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID)}, seen["Traceparent"], form)
		for i := 0; i < len(header); i += 2 {
			switch name := header[i]; name {
			case "X-Trace-Info", "Tracestate":
				require.Equal(t, header[i+1], seen.Get(name), "passed on")
			case "Traceparent", "B3":
				require.NotEqual(t, header[i+1], seen.Get(name))
			default:
				require.NotContains(t, seen, name, form)
			}
		}
	}
}

// What is sent as X-B3-* leads to the same place as what is sent otherwise.
func TestEveryWrittenFormMakesUsTheParent(t *testing.T) {
	for _, in := range [][]string{nil, inForms["b3"], {"B3", inTrace[16:] + "-" + inSpan + "-0"}, inForms["w3c"]} {
		for _, form := range writable {
			first, outer := throughSite(t, Tracing{Inject: []string{form}}, request1(near, in...))
			second := request1(near)
			second.Header = first.Clone()
			_, inner := throughSite(t, Tracing{Extract: []string{form}}, second)
			require.Equal(t, outer.TraceID, inner.TraceID, form)
			require.Equal(t, outer.ID, inner.Parent, form)
			require.Equal(t, outer.Sampled, inner.Sampled, form)
			require.Equal(t, outer.Debug && form != "w3c", inner.Debug, form)
			for _, other := range writable {
				if other != form {
					_, alone := throughSite(t, Tracing{Extract: []string{other}}, request1(near, flat(first)...))
					require.NotEqual(t, outer.TraceID, alone.TraceID, "only %s is written", form)
				}
			}
		}
	}
}

func flat(h http.Header) (list []string) {
	for name, values := range h {
		for _, v := range values {
			list = append(list, name, v)
		}
	}
	return list
}

func TestNothingIsReadClearedOrWrittenUnlessToldTo(t *testing.T) {
	var header []string
	for _, h := range inForms {
		header = append(header, h...)
	}
	none := []string{}
	seen, s := throughSite(t, Tracing{Extract: none, Inject: none}, request1(near, header...))
	require.NotEqual(t, inTrace, s.TraceID.String())
	require.Equal(t, request1(near, header...).Header, seen)

	seen, _ = throughSite(t, Tracing{Extract: none, Clear: readable, Inject: none}, request1(near, header...))
	require.Empty(t, seen)
}

func TestBaggagePasses(t *testing.T) {
	baggage := []string{"Baggage", "user=1", "Uberctx-User", "1", "Sw8-Correlation", "dT0x", "Ot-Baggage-User", "1", "Baggage-User", "1"}
	for _, from := range []string{near, far} {
		seen, _ := throughSite(t, Tracing{Extract: []string{"w3c", "uber", "sw8"}}, request1(from, append(baggage, inForms["w3c"]...)...))
		for i := 0; i < len(baggage); i += 2 {
			require.Equal(t, []string{baggage[i+1]}, seen[baggage[i]])
		}
	}
}

func TestATracestateOf16KiBGoesOnShort(t *testing.T) {
	long := "vendor=" + strings.Repeat("x", 100)
	state := strings.TrimSuffix(strings.Repeat(long+",", 16<<10/len(long)), ",")
	seen, s := throughSite(t, Tracing{}, request1(near, "Traceparent", "00-"+inTrace+"-"+inSpan+"-01", "Tracestate", state))
	require.Equal(t, inTrace, s.TraceID.String())
	require.Equal(t, strings.TrimSuffix(strings.Repeat(long+",", 4), ","), seen.Get("Tracestate"))
}

// Malformed headers of every form: the next form is tried, a new trace begun, each fault is counted where it was.
func TestFaultsAreCountedByFormAndKind(t *testing.T) {
	p := emit.New(emit.Options{}, discard{})
	defer p.Close(t.Context())
	h := siteOf(t, p, Tracing{Extract: []string{"w3c", "b3", "b3_multi", "tomograph", "uber", "sw8", "datadog"}})
	w := &nullWriter{header: http.Header{}}
	for range 3 {
		r := request1(near, "Traceparent", "ff-"+inTrace+"-"+inSpan+"-01", "B3", strings.Repeat("a", 40), "X-B3-Traceid", inTrace,
			"X-Trace-Info", "Y29zCnN5c3RlbQooUydpZCcKdFIu", "Uber-Trace-Id", "0:0:0:0", "Sw8", "x", "X-Datadog-Trace-Id", "1", "X-Datadog-Parent-Id", "-1")
		require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })))
	}
	require.Equal(t, map[string]map[string]int64{
		"w3c": {"version": 3}, "b3": {"length": 3}, "b3_multi": {"missing_id": 3}, "tomograph": {"pattern": 3}, "uber": {"zero_id": 3},
		"sw8": {"length": 3}, "datadog": {"pattern": 3},
	}, h.state.headerFaults.byFormat())
}

// The lists of the configuration are those of the parsers.
func TestEveryFormCanBeConfigured(t *testing.T) {
	for _, word := range readable {
		f, err := spanbuilder.ParseFormat(word)
		require.NoError(t, err)
		require.Equal(t, f.Writable(), checkForms("inject", []string{word}, writable) == nil)
	}
	require.Len(t, readable, spanbuilder.NumFormats-1)
	require.Nil(t, formats(nil))
	require.NotNil(t, formats([]string{}), "none is not the default")
}

func TestOSProfilerIsNotReadWithoutAKey(t *testing.T) {
	t.Setenv("PROFILER_KEY", "SECRET_KEY")
	for config, ok := range map[string]bool{
		`"calltap":{"store":{},"extract":["osprofiler"]}`:                                                        false,
		`"calltap":{"store":{},"extract":["osprofiler"],"trigger":{"osprofiler":["{env.PROFILER_KEY}"]}}`:        true,
		`"calltap":{"store":{},"trigger":{"osprofiler":["{env.PROFILER_KEY}"]}},` + siteExtracting("osprofiler"): true,
		`"calltap":{"store":{}},` + siteExtracting("osprofiler"):                                                 false,
		`"calltap":{"store":{},"extract":["osprofiler"],"trigger":{"keys":["{env.LONG_KEY}"]}}`:                  false,
	} {
		t.Setenv("LONG_KEY", testTriggerKey)
		var c caddy.Config
		require.NoError(t, caddy.StrictUnmarshalJSON([]byte(`{"admin":{"disabled":true},"apps":{`+config+`}}`), &c))
		err := caddy.Validate(&c)
		if ok {
			require.NoError(t, err, config)
		} else {
			require.ErrorContains(t, err, "add to calltap: trigger { osprofiler {env.NAME} }", config)
		}
	}
}

func siteExtracting(form string) string {
	return `"http":{"servers":{"s":{"listen":["127.0.0.1:0"],"routes":[{"handle":[{"handler":"calltap","extract":["` + form + `"]}]}]}}}`
}
