package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

func tagsOf(s span.Span) map[string]string {
	tags := make(map[string]string)
	for _, tag := range s.AppendTags(nil) {
		tags[tag.Key] = tag.Value
	}
	return tags
}

func TestARuleReadsHeadersAndGivesTagsAndNotes(t *testing.T) {
	keys := keyrules.Config{Rules: []keyrules.Rule{
		{Kind: "http", Headers: []keyrules.Match{{Name: "x-plan", Value: "silver"}}, Key: "silver"},
		{Kind: "http", Headers: []keyrules.Match{{Name: "x-plan", Value: "gold"}}, Key: "{header.x-plan}.{header.Host}", Category: "paid",
			Tags: []keyrules.Tag{{Name: "plan", Value: "{header.x-plan}"}, {Name: "absent", Value: "{header.X-None}"}}, Notes: []string{"seen"}},
	}}
	r := request1(near, "X-Plan", "gold", "X-Secret", "hunter2")
	_, s := through(t, keys, spanbuilder.LinkNone, r)
	require.Equal(t, "gold.127_0_0_1", s.Key)
	tags := tagsOf(s)
	require.Equal(t, "paid", tags[spanbuilder.CategoryTag])
	require.Equal(t, "gold", tags["plan"])
	require.Equal(t, "GET", tags["http.method"])
	require.NotContains(t, tags, "absent")
	require.Equal(t, []span.Note{{Time: s.Start, Value: "seen"}}, s.Notes)

	_, s = through(t, keys, spanbuilder.LinkNone, request1(near, "X-Plan", "silver"))
	require.Equal(t, "silver", s.Key)
	require.Empty(t, s.Notes)
}

// What an ignore asks of headers is known before the request runs, so it is left alone altogether.
func TestAnIgnoreMayAskForAHeader(t *testing.T) {
	p := emit.New(emit.Options{}, discard{})
	defer p.Close(t.Context())
	st := testState(t, p, keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Ignore: true, Headers: []keyrules.Match{{Name: "X-Probe"}}}}}, spanbuilder.LinkNone)
	h := newHandler(t, "", st)
	for _, probe := range []bool{true, false} {
		r := request1(near)
		if probe {
			r.Header.Set("X-Probe", "1")
		}
		w := &nullWriter{header: http.Header{}}
		require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			require.Equal(t, !probe, r.Header.Get("Traceparent") != "")
			return nil
		})))
	}
	require.EqualValues(t, 1, p.Status().Accepted)
}

// Rules see the request as it came, whatever the handlers after us do to it.
func TestHeadersAreReadAsTheyCame(t *testing.T) {
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	h := newHandler(t, "", testState(t, p, keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Key: "plan.{header.X-Plan}"}}}, spanbuilder.LinkNone))
	w := &nullWriter{header: http.Header{}}
	require.NoError(t, h.ServeHTTP(w, caddyRequest(request1(near, "X-Plan", "gold"), w), caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		r.Header.Set("X-Plan", "changed")
		return nil
	})))
	require.NoError(t, p.Close(t.Context()))
	require.Equal(t, "plan.gold", c.spans[0].Key)
}

func TestARuleReadsTheBody(t *testing.T) {
	keys := keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Methods: []string{"POST", "PUT"}, Path: "/orders",
		Key: "orders.{json.order.kind|or:unknown}.{method}"}}}
	long := `{"a": "` + strings.Repeat("x", maxPeek) + `", "order": {"kind": "late"}}`
	for body, want := range map[string]string{
		`{"id": 1, "order": {"kind": "gift"}}`: "orders.gift",
		`{"id": 1}`:                            "orders.unknown",
		`[1`:                                   "orders.unknown",
		``:                                     "orders.unknown",
		long:                                   "orders.unknown",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			r := request1(near)
			r.Method, r.URL.Path, r.Body = method, "/orders", io.NopCloser(strings.NewReader(body))
			_, s := through(t, keys, spanbuilder.LinkNone, r)
			require.Equal(t, want+"."+method, s.Key, "%.40q", body)
		}
	}
	r := request1(near)
	r.URL.Path, r.Method, r.Body = "/other", http.MethodPost, io.NopCloser(strings.NewReader(`{}`))
	seen, _ := through(t, keys, spanbuilder.LinkNone, r)
	if tee, ok := seen.Body.(*bodyTee); ok {
		require.False(t, tee.keep, "a body that no rule asks for is not kept")
	}
}

func TestAKeptBodyIsBounded(t *testing.T) {
	r := &http.Request{Body: io.NopCloser(strings.NewReader(strings.Repeat("x", 10*maxPeek)))}
	tee := teeBody(r, true)
	n, err := io.Copy(io.Discard, r.Body)
	require.NoError(t, err)
	require.EqualValues(t, 10*maxPeek, n)
	require.Len(t, tee.kept(), maxPeek)
	require.LessOrEqual(t, cap(tee.begin), 2*maxPeek)
	require.Nil(t, (*bodyTee)(nil).kept())
}

func TestASitesRulesGoBeforeTheGlobalOnes(t *testing.T) {
	global := keyrules.Config{Rules: []keyrules.Rule{{Kind: "http", Path: "/x", Key: "global"}}}
	_, s := through(t, global, spanbuilder.LinkNone, request1(near), keyrules.Rule{Kind: "http", Path: "/x", Key: "site"})
	require.Equal(t, "site", s.Key)
	_, s = through(t, global, spanbuilder.LinkNone, request1(near), keyrules.Rule{Kind: "http", Path: "/y", Key: "site"})
	require.Equal(t, "global", s.Key)
}

// The inner site knows best what its requests are called.
func TestAnInnerSitesRulesGoBeforeTheOuters(t *testing.T) {
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
	outer := newHandler(t, "outer", st, keyrules.Rule{Kind: "http", Key: "outer"})
	inner := newHandler(t, "", st, keyrules.Rule{Kind: "http", Key: "inner"})
	w := &nullWriter{header: http.Header{}}
	answer := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	require.NoError(t, outer.ServeHTTP(w, caddyRequest(request1(near), w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, answer)
	})))
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 1)
	require.Equal(t, "inner", c.spans[0].Key)
	require.Equal(t, "outer", c.spans[0].Local.Service)
}

func TestABadRuleOfASiteIsALoadError(t *testing.T) {
	p := emit.New(emit.Options{}, discard{})
	defer p.Close(t.Context())
	h := &Handler{state: testState(t, p, keyrules.Config{}, spanbuilder.LinkNone),
		Rules: []keyrules.Rule{{Kind: "http", Path: "/x", Key: "{nme}", File: "Caddyfile", Line: 9}}}
	require.ErrorContains(t, h.provisionRules(), "rules of the site: Caddyfile:9")
}

// Warnings are told once, where they belong.
func TestWarningsAreLoggedWithTheirLine(t *testing.T) {
	core, logged := observer.New(zap.WarnLevel)
	st := &state{logger: zap.New(core)}
	global := []keyrules.Rule{{Kind: "http", Path: "/**", Key: "a", File: "F", Line: 1}, {Kind: "http", Path: "/x", Key: "b", File: "F", Line: 2}}
	rules, err := keyrules.Compile(keyrules.Config{Rules: global})
	require.NoError(t, err)
	st.warnOf(rules, nil)
	require.Equal(t, 1, logged.Len())
	require.Equal(t, "F:2", logged.All()[0].ContextMap()["at"])

	site := []keyrules.Rule{{Kind: "http", Key: "s", File: "F", Line: 9}, {Kind: "http", Path: "/y", Key: "t", File: "F", Line: 10}}
	rules, err = rules.With(site)
	require.NoError(t, err)
	logged.TakeAll()
	st.warnOf(rules, site)
	require.Equal(t, 1, logged.Len(), "that a site's rules go before the global ones is no mistake")
	require.Equal(t, "F:10", logged.All()[0].ContextMap()["at"])
}
