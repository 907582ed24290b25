package caddymodule

import (
	"io"
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

// traced sends r through a handler with these settings, in front of next, and returns the response's header and the spans.
func traced(t *testing.T, settings Tracing, r *http.Request, next caddyhttp.HandlerFunc) (http.Header, []span.Span) {
	t.Helper()
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	h := &Handler{Service: "shop", Tracing: settings, state: testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)}
	require.NoError(t, h.provisionTracing(Tracing{}))
	require.NoError(t, h.provisionRules())
	w := &nullWriter{header: http.Header{}}
	_ = h.ServeHTTP(w, caddyRequest(r, w), next)
	require.NoError(t, p.Close(t.Context()))
	require.Zero(t, h.state.requests.n.Load())
	require.Zero(t, h.state.faults.Load())
	return w.header, c.spans
}

func replying(status int) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if status != 0 {
			w.WriteHeader(status)
		}
		_, err := w.Write([]byte("x"))
		return err
	}
}

func tagOf(s span.Span, name string) (value string) {
	for _, t := range s.AppendTags(nil) {
		if t.Key == name {
			value = t.Value // the last counts
		}
	}
	return value
}

func TestTagsAreEvaluatedAfterTheResponseAndByStatus(t *testing.T) {
	settings := Tracing{Tags: []Tag{
		{Name: "plan", Value: "{header.X-Plan} plan"},
		{Name: "http.path", Value: "mine"},
		{Name: "seen", Value: "{http.vars.seen}"},
		{Name: "broken", Value: "yes", On: []string{"5xx", "404"}},
		{Name: "long", Value: strings.Repeat("ü", 200)},
	}}
	for status, broken := range map[int]string{200: "", 404: "yes", 503: "yes"} {
		_, spans := traced(t, settings, request1(near, "X-Plan", "gold"), func(w http.ResponseWriter, r *http.Request) error {
			caddyhttp.SetVar(r.Context(), "seen", "late")
			return replying(status)(w, r)
		})
		require.Len(t, spans, 1)
		require.Equal(t, "gold plan", tagOf(spans[0], "plan"))
		require.Equal(t, "mine", tagOf(spans[0], "http.path"))
		require.Equal(t, "late", tagOf(spans[0], "seen"))
		require.Equal(t, broken, tagOf(spans[0], "broken"), status)
		require.Equal(t, strings.Repeat("ü", 128), tagOf(spans[0], "long"))
	}
}

func TestASecretAsATagIsALoadError(t *testing.T) {
	for _, value := range []string{
		"{header.Authorization}", "Bearer {http.request.header.authorization}", "{cookie.session}", "{header.X-Auth-Token}", "{http.request.body}",
		"{header.X-Vault-Token}", "{http.reverse_proxy.header.X-Amz-Signature}", "{rp.header.Set-Cookie}", "{header.Referer}",
		"{http.response.header.Location}", "{query.token}", "{uri}", "{http.request.orig_uri}", "{?query}", "{http.response.header.Set-Cookie}", "{resp.header.Set-Cookie}", "{tls_client_certificate_pem}",
	} {
		require.ErrorContains(t, checkTags([]Tag{{Name: "x", Value: value}}), "tag x: ", value)
	}
	for _, value := range []string{"{header.X-Token-Count}", "{header.X-Plan}", "{http.request.orig_uri.path}", "{http.response.header.Content-Type}"} {
		require.NoError(t, checkTags([]Tag{{Name: "x", Value: value}}), value)
	}
}

func TestOfAQueryIsShownWhatIsAllowed(t *testing.T) {
	q := newQuery(&Query{Keep: []string{"page", "q", "both"}, Hash: []string{"user"}, Redact: []string{"both"}})
	hashed := q.value("user", "ann")
	require.Len(t, hashed, hashedText)
	require.NotEqual(t, hashed, q.value("user", "bob"))
	require.NotEqual(t, hashed, newQuery(&Query{Hash: []string{"user"}}).value("user", "ann"), "keyed")
	for raw, want := range map[string]string{
		"page=2&token=hunter2":                  "page=2&token=REDACTED",
		"q=a%20b%26c":                           "q=a+b%26c",
		"user=ann":                              "user=" + hashed,
		"both=1":                                "both=REDACTED",
		"8f14e45fceea167a5a36dedd4bea2543":      "",
		"hunter2%00=1&page=1":                   "page=1",
		"q=%zz":                                 "q=REDACTED",
		"&&=&=x":                                "",
		"page":                                  "page=",
		strings.Repeat("a=1&", 100):             strings.TrimSuffix(strings.Repeat("a=REDACTED&", maxParams), "&"),
		"page=1&x=" + strings.Repeat("s", 1e5):  "page=1",
		strings.Repeat("s", 1e5):                "",
		"user[name]=hunter2&sort-by.date=price": "user[name]=REDACTED&sort-by.date=REDACTED",
	} {
		require.Equal(t, want, q.show(raw), "%.60s", raw)
	}
	r := request1(near)
	r.URL.RawQuery = "page=2&token=hunter2"
	_, spans := traced(t, Tracing{Query: &Query{Keep: []string{"page"}}}, r, replying(200))
	require.Equal(t, "page=2&token=REDACTED", tagOf(spans[0], tagQuery))
	_, spans = traced(t, Tracing{}, r, replying(200))
	require.Empty(t, tagOf(spans[0], tagQuery), "not unless asked for")
}

func FuzzQuery(f *testing.F) {
	f.Add("page=2&token=hunter2")
	f.Add("a=%zz&b=%00&=&;")
	q := newQuery(&Query{Hash: []string{"user"}})
	f.Fuzz(func(t *testing.T, raw string) {
		secret := "hunter2secret"
		shown := q.show("token=" + secret + "&" + raw + "&user=" + secret)
		if strings.Contains(shown, secret) || len(shown) > maxPathTag {
			t.Fatalf("%q is shown as %q", raw, shown)
		}
	})
}

// However a response is begun, it tells the trace id once, and never before an informational response.
func TestTheResponseTellsItsTrace(t *testing.T) {
	for name, next := range map[string]caddyhttp.HandlerFunc{
		"header":                               replying(404),
		"an error that Caddy answers after us": func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(502, nil) },
		"nothing":                              func(http.ResponseWriter, *http.Request) error { return nil },
		"implicit":                             replying(0),
		"upstream's own": func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Add("X-Trace-Id", "theirs")
			return replying(200)(w, r)
		},
		"after early hints": func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(http.StatusEarlyHints)
			require.Empty(t, w.Header()["X-Trace-Id"])
			return replying(200)(w, r)
		},
		"string": func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.(interface{ WriteString(string) (int, error) }).WriteString("x")
			return err
		},
		"file": func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			return err
		},
	} {
		header, spans := traced(t, Tracing{ResponseHeader: "x-trace-id"}, request1(near), next)
		require.Equal(t, []string{spans[0].TraceID.String()}, header["X-Trace-Id"], name)
	}
	header, _ := traced(t, Tracing{}, request1(near), replying(200))
	require.Empty(t, header["X-Trace-Id"])
}

// A request that is skipped before calltap is left as it came; one that is skipped behind it has no span.
func TestSkippedRequestsHaveNoSpan(t *testing.T) {
	require.NoError(t, Skip{}.Provision(caddy.Context{}))
	defer skips.Store(false)
	_, spans := traced(t, Tracing{}, request1(near), func(w http.ResponseWriter, r *http.Request) error {
		return Skip{}.ServeHTTP(w, r, replying(200))
	})
	require.Empty(t, spans)
	_, spans = traced(t, Tracing{}, request1(near), replying(200))
	require.Len(t, spans, 1, "the next one is not")
}
