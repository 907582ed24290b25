package caddymodule

import (
	"context"
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

// capture is an emitter that keeps the spans.
type capture struct {
	discard
	spans []span.Span
}

func (c *capture) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	c.spans = append(c.spans, batch...)
	return emit.Outcome{Emitted: len(batch)}
}

func (c *capture) Unsampled() bool { return true }

// through sends r through a handler, with rules of its site's own, and returns what the next one saw, and the span.
func through(t *testing.T, keys keyrules.Config, link spanbuilder.Link, r *http.Request, site ...keyrules.Rule) (seen *http.Request, s span.Span) {
	t.Helper()
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	h := newHandler(t, "svc", testState(t, p, keys, link), site...)
	w := &nullWriter{header: http.Header{}}
	err := h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		seen = r
		if r.Body != nil {
			buf := make([]byte, 64<<10)
			for {
				if _, err := r.Body.Read(buf); err != nil {
					break
				}
			}
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 1)
	require.Zero(t, h.state.requests.n.Load())
	require.Zero(t, h.state.faults.Load())
	return seen, c.spans[0]
}

func request1(from string, header ...string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/x", nil)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	return r
}

const (
	inTrace = "463ac35c9f6413ad48485a3953bb6124"
	inSpan  = "a2fb4a1d1a96d312"
	near    = "127.0.0.1:40000"
	far     = "198.51.100.7:40000"
)

func TestNextHopHangsBelowUs(t *testing.T) {
	for name, header := range map[string][]string{
		"nothing":             {},
		"w3c":                 {"Traceparent", "00-" + inTrace + "-" + inSpan + "-01", "Tracestate", "a=b"},
		"b3 single":           {"B3", inTrace + "-" + inSpan + "-1"},
		"b3 multi":            {"X-B3-Traceid", inTrace, "X-B3-Spanid", inSpan, "X-B3-Sampled", "1", "X-B3-Parentspanid", inSpan, "X-B3-Flags", "0"},
		"all of them":         {"Traceparent", "00-" + inTrace + "-" + inSpan + "-01", "B3", inTrace + "-" + inSpan + "-1", "X-B3-Traceid", inTrace, "X-B3-Spanid", inSpan},
		"broken w3c, good b3": {"Traceparent", "00-zz", "B3", inTrace + "-" + inSpan + "-1"},
		"two of one":          {"Traceparent", "00-" + inTrace + "-" + inSpan + "-01", "Traceparent", "00-" + inTrace + "-" + inSpan + "-01"},
		"broken":              {"Traceparent", "00", "B3", "x", "X-B3-Traceid", "1"},
		"zero ids":            {"B3", strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-1"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, s := through(t, keyrules.Config{}, spanbuilder.LinkNone, request1(near, header...))
			require.Equal(t, []string{fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID)}, seen.Header["Traceparent"])
			require.Len(t, seen.Header["B3"], 1)
			require.True(t, strings.HasPrefix(seen.Header["B3"][0], fmt.Sprintf("%s-%s-1", s.TraceID, s.ID)), seen.Header["B3"])
			for _, gone := range []string{"X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled", "X-B3-Parentspanid", "X-B3-Flags"} {
				require.NotContains(t, seen.Header, gone)
			}
			require.NotContains(t, seen.Header, requestIDHeader)
			switch name {
			case "nothing", "two of one", "broken", "zero ids":
				require.NotEqual(t, inTrace, s.TraceID.String())
				require.Zero(t, s.Parent)
				require.NotContains(t, seen.Header, "Tracestate")
			default:
				require.Equal(t, inTrace, s.TraceID.String())
				require.Equal(t, inSpan, s.Parent.String())
			}
			if name == "w3c" {
				require.Equal(t, []string{"a=b"}, seen.Header["Tracestate"])
			}
		})
	}
}

// A stranger must not join, forge, force or forbid a trace.
func TestStrangersBeginAnew(t *testing.T) {
	for name, header := range map[string][]string{
		"w3c":        {"Traceparent", "00-" + inTrace + "-" + inSpan + "-00", "Tracestate", "a=b"},
		"b3 debug":   {"B3", inTrace + "-" + inSpan + "-d"},
		"b3 deny":    {"B3", "0"},
		"request id": {requestIDHeader, "req-463ac35c-9f64-13ad-4848-5a3953bb6124"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, s := through(t, keyrules.Config{}, spanbuilder.LinkOpenStack, request1(far, header...))
			require.NotEqual(t, inTrace, s.TraceID.String())
			require.Zero(t, s.Parent)
			require.True(t, s.Sampled)
			require.False(t, s.Debug)
			require.NotContains(t, seen.Header, "Tracestate")
			require.Equal(t, string(spanbuilder.AppendRequestID(nil, s.TraceID)), seen.Header.Get(requestIDHeader))
			tag := ""
			for _, have := range s.Tags {
				if have.Key == tagUntrusted {
					tag = have.Value
				}
			}
			if name == "w3c" || name == "b3 debug" {
				require.Equal(t, inTrace, tag)
			} else {
				require.Empty(t, tag)
			}
		})
	}
}

func TestRequestIDGoesOutAndStays(t *testing.T) {
	const own = "req-463ac35c-9f64-43ad-8848-5a3953bb6124"
	for name, c := range map[string]struct {
		header []string
		kept   bool
		trace  string
	}{
		"minted":                  {nil, false, ""},
		"the client's own":        {[]string{requestIDHeader, own}, true, "463ac35c9f6443ad88485a3953bb6124"},
		"not valid":               {[]string{requestIDHeader, "req-1"}, false, ""},
		"with a trace of its own": {[]string{requestIDHeader, own, "B3", inTrace + "-" + inSpan}, true, inTrace},
		"trace alone":             {[]string{"B3", inTrace + "-" + inSpan}, false, inTrace},
	} {
		t.Run(name, func(t *testing.T) {
			seen, s := through(t, keyrules.Config{}, spanbuilder.LinkOpenStack, request1(near, c.header...))
			want := string(spanbuilder.AppendRequestID(nil, s.TraceID))
			if c.kept {
				want = own
			}
			require.Equal(t, []string{want}, seen.Header[requestIDHeader])
			if c.trace != "" {
				require.Equal(t, c.trace, s.TraceID.String())
			}
		})
	}
}

// zipkin-go panics over some of these; whatever the length, the request is answered and traced.
func TestB3OfEveryLength(t *testing.T) {
	for n := 0; n <= 64; n++ {
		for _, text := range []string{strings.Repeat("a", n), strings.Repeat("-", n), strings.Repeat("\xff", n),
			(inTrace + "-" + inSpan + "-1-" + inSpan)[:min(n, 67)]} {
			_, s := through(t, keyrules.Config{}, spanbuilder.LinkNone, request1(near, "B3", text))
			require.False(t, s.TraceID.IsZero(), "%q", text)
		}
	}
}

func TestThousandsOfHeaders(t *testing.T) {
	r := request1(near)
	for i := range 8192 {
		r.Header[fmt.Sprintf("X-H%d", i)] = []string{"v"}
	}
	seen, _ := through(t, keyrules.Config{}, spanbuilder.LinkNone, r)
	require.Len(t, seen.Header, 8192+2)
}

func TestIgnoredRequestsAreLeftAlone(t *testing.T) {
	p := emit.New(emit.Options{}, discard{})
	defer p.Close(t.Context())
	st := testState(t, p, keyrules.Config{Rules: []keyrules.Rule{{Ignore: true, Kind: "http", Path: "/x"}}}, spanbuilder.LinkOpenStack)
	h := newHandler(t, "", st)
	w := &nullWriter{header: http.Header{}}
	r := request1(far, "B3", "anything")
	err := h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(got http.ResponseWriter, r *http.Request) error {
		require.Same(t, w, got)
		require.Equal(t, http.Header{"B3": {"anything"}}, r.Header)
		return nil
	}))
	require.NoError(t, err)
	require.Zero(t, p.Status().Accepted)
	require.Zero(t, st.requests.n.Load())
}

// A fault of our own costs the span, not the request.
func TestOurOwnPanicIsSurvived(t *testing.T) {
	for name, breakIt := range map[string]func(*Handler){
		"before": func(h *Handler) { h.rules = nil },
		"after":  func(h *Handler) { h.state.pipeline = nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := emit.New(emit.Options{}, discard{})
			defer p.Close(t.Context())
			st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
			h := newHandler(t, "", st)
			breakIt(h)
			w := &nullWriter{header: http.Header{}}
			served := false
			err := h.ServeHTTP(w, caddyRequest(request1(near), w), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
				served = true
				return errPlain
			}))
			require.Equal(t, errPlain, err)
			require.True(t, served)
			require.EqualValues(t, 1, st.faults.Load())
			require.Zero(t, st.requests.n.Load())
		})
	}
}

// The outer calltap has the span; the inner one may know the service.
func TestNestedHandlersMakeOneSpan(t *testing.T) {
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
	outer, inner := newHandler(t, "outer", st), newHandler(t, "inner", st)
	w := &nullWriter{header: http.Header{}}
	last := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(204); return nil })
	r := caddyRequest(request1(near), w)
	require.NoError(t, outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, last)
	})))
	require.NoError(t, inner.ServeHTTP(w, r, last), "as in handle_errors, which runs after the span has ended")
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 1)
	require.Equal(t, "inner", c.spans[0].Local.Service)
	require.Zero(t, st.requests.n.Load())
}

// Whoever prints a variable of ours, a log or a template, must not print the request with it.
func TestOurVariablesPrintAsIDs(t *testing.T) {
	st := testState(t, emit.New(emit.Options{}, &capture{}), keyrules.Config{}, spanbuilder.LinkNone)
	h, w, repl := newHandler(t, "site", st), &nullWriter{header: http.Header{}}, caddy.NewReplacer()
	r := caddyhttp.PrepareRequest(request1(near, "X-Auth-Token", "hunter2"), repl, w, &caddyhttp.Server{Errors: new(caddyhttp.HTTPErrorConfig)})
	require.NoError(t, h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		ids := strings.Split(r.Header["Traceparent"][0], "-")
		for name, id := range map[string]string{traceIDVar: ids[1], spanIDVar: ids[2], requestVar: ids[1]} {
			require.Equal(t, id, repl.ReplaceAll("{http.vars."+name+"}", ""), name)
		}
		return nil
	})))
	require.NoError(t, st.pipeline.Close(t.Context()))
}
