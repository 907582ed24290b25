package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/control"
	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// tracer is a capture that is no metrics emitter.
type tracer struct{ capture }

func (*tracer) Unsampled() bool { return false }

// watched is a configuration of which one sees what metrics get and what tracers get.
type watched struct {
	*state
	app     Tracing
	metrics capture
	tracers tracer
}

func watch(t *testing.T, app Tracing, rules ...keyrules.Rule) *watched {
	w := &watched{app: app}
	p := emit.New(emit.Options{}, &w.metrics, &w.tracers)
	w.state = testState(t, p, keyrules.Config{Rules: rules}, spanbuilder.LinkNone)
	w.tracer.Head = newHead(&app)
	w.tracer.HasSources = true
	w.tracer.Sink = controlledSink{w.state}
	var err error
	w.keep, err = newKeep(&app)
	require.NoError(t, err)
	w.keeps = w.keep != nil
	t.Cleanup(func() { require.NoError(t, p.Close(t.Context())) })
	return w
}

// site is a handler of the configuration.
func (w *watched) site(t *testing.T, own Tracing) *Handler {
	h := &Handler{Service: "nova-api", Tracing: own, state: w.state}
	require.NoError(t, h.provisionTracing(w.app))
	require.NoError(t, h.provisionRules())
	return h
}

// got tells the paths or methods of the spans that metrics have, and that tracers have.
func (w *watched) got(t *testing.T) (metrics, tracers []string) {
	t.Helper()
	require.NoError(t, w.pipeline.Flush(t.Context()))
	for _, s := range w.metrics.spans {
		metrics = append(metrics, s.Name)
	}
	for _, s := range w.tracers.spans {
		require.True(t, s.Sampled)
		require.NotEmpty(t, s.AppendTags(nil), "%s: what is recorded late is as complete as any other", s.Name)
		tracers = append(tracers, s.Name)
	}
	return metrics, tracers
}

// serve sends a request through a site, to what comes next there.
func serve(t *testing.T, h *Handler, r *http.Request, next caddyhttp.HandlerFunc) error {
	w := &nullWriter{header: http.Header{}}
	return h.ServeHTTP(w, caddyRequest(r, w), next)
}

// answers sends that, and remembers what the next hop is told about sampling.
func answers(code int, told *string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if told != nil {
			parent := first(r.Header["Traceparent"])
			*told = parent[len(parent)-1:]
		}
		w.WriteHeader(code)
		return nil
	}
}

func share(x float64) *float64 { return &x }

func yes() *bool { on := true; return &on }

func no() *bool { off := false; return &off }

const (
	theirs   = "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312"
	accepted = theirs + "-1"
	denied   = theirs + "-0"
)

func TestMetricsCountWhatIsNotRecorded(t *testing.T) {
	w := watch(t, Tracing{Sample: share(0)})
	h := w.site(t, Tracing{})
	var told string
	require.NoError(t, serve(t, h, request1(near), answers(200, &told)))
	require.NoError(t, serve(t, w.site(t, Tracing{Sample: share(1)}), request1(near), answers(500, nil)))
	metrics, tracers := w.got(t)
	require.Len(t, metrics, 2)
	require.Len(t, tracers, 1, "a site says otherwise than the app")
	require.Equal(t, "0", told)
}

func TestWhoDecides(t *testing.T) {
	rule := func(sample string) []keyrules.Rule {
		return []keyrules.Rule{{Kind: "http", Path: "/x", Key: "k", Sample: sample}}
	}
	off := Tracing{Sample: share(0)}
	alone := Tracing{Sample: share(0), SampleParent: no()}
	keep := Tracing{Sample: share(0), KeepErrors: yes()}
	for _, x := range []struct {
		about    string
		tracing  Tracing
		rules    []keyrules.Rule
		b3       string
		status   int
		told     string
		recorded bool
	}{
		{"the caller, before the share", off, nil, accepted, 200, "1", true},
		{"the caller, before the share", Tracing{}, nil, denied, 200, "0", false},
		{"nobody but the site with parent off", alone, nil, accepted, 200, "0", false},
		{"nobody but the site with parent off", Tracing{SampleParent: no()}, nil, denied, 200, "1", true},
		{"the rule, before the site", off, rule("1"), "", 200, "1", true},
		{"the rule, before the site", Tracing{}, rule("0"), "", 200, "0", false},
		{"the caller, before a rule's share", Tracing{}, rule("0"), accepted, 200, "1", true},
		{"off, before the caller", Tracing{}, rule("off"), accepted, 200, "0", false},
		{"always, before the caller", off, rule("always"), denied, 200, "1", true},
		{"how it ended, after the head", keep, nil, "", 500, "0", true},
		{"how it ended, after the head", keep, nil, "", 404, "0", false},
		{"how it ended, even if the caller denied", keep, nil, denied, 500, "0", true},
		{"how it ended, even with a rule's share", keep, rule("0"), "", 500, "0", true},
		{"off, before how it ended", keep, rule("off"), "", 500, "0", false},
	} {
		w := watch(t, x.tracing, x.rules...)
		r := request1(near)
		if x.b3 != "" {
			r.Header["B3"] = []string{x.b3}
		}
		var told string
		require.NoError(t, serve(t, w.site(t, Tracing{}), r, answers(x.status, &told)))
		metrics, tracers := w.got(t)
		require.Len(t, metrics, 1, "%+v", x)
		require.Equal(t, x.recorded, len(tracers) == 1, "%+v", x)
		require.Equal(t, x.told, told, "%+v", x)
	}
}

// Whether such a rule is a request's is known at the end, when the headers have gone on: then it decides about the span.
func TestARuleThatIsKnownLateDecidesAboutItsSpan(t *testing.T) {
	rule := func(sample string) keyrules.Rule {
		return keyrules.Rule{Kind: "http", Path: "/x", Statuses: []string{"404"}, Key: "k", Sample: sample}
	}
	for sample, want := range map[string]int{"off": 0, "always": 1, "0": 0, "1": 1} {
		for _, head := range []float64{0, 1} {
			w := watch(t, Tracing{Sample: share(head)}, rule(sample))
			h := w.site(t, Tracing{})
			var told string
			require.NoError(t, serve(t, h, request1(near), answers(404, &told)))
			_, tracers := w.got(t)
			require.Len(t, tracers, want, "%s, %v", sample, head)
			require.Equal(t, fmt.Sprint(head), told)
			require.NoError(t, serve(t, h, request1(near), answers(200, nil)))
			_, tracers = w.got(t)
			require.Len(t, tracers, want+int(head), "the rule is not this request's")
		}
	}
	w := watch(t, Tracing{}, rule("0"))
	require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near, "B3", accepted), answers(404, nil)))
	_, tracers := w.got(t)
	require.Len(t, tracers, 1, "a share is for traces that begin here")
}

// A share that lets a request go late lets go no more than one that does at its beginning.
func TestWhatALateShareLetsGoIsKeptForHowItEnded(t *testing.T) {
	for _, x := range []struct {
		sample string
		head   float64
		want   int
	}{{"0", 0, 1}, {"0", 1, 1}, {"off", 0, 0}, {"off", 1, 0}} {
		w := watch(t, Tracing{Sample: share(x.head), KeepErrors: yes()},
			keyrules.Rule{Kind: "http", Path: "/x", Statuses: []string{"5xx"}, Key: "k", Sample: x.sample})
		require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near), answers(500, nil)))
		metrics, tracers := w.got(t)
		require.Len(t, metrics, 1)
		require.Len(t, tracers, x.want, "%+v", x)
	}
}

func TestARateIsTheApplicationsUnlessASiteHasItsOwn(t *testing.T) {
	w := watch(t, Tracing{SampleRate: &Rate{PerSecond: 1e-3, Burst: 3}})
	a, b := w.site(t, Tracing{}), w.site(t, Tracing{})
	own := w.site(t, Tracing{SampleRate: &Rate{PerSecond: 1e-3, Burst: 5}})
	for range 10 {
		for _, h := range []*Handler{a, b, own} {
			require.NoError(t, serve(t, h, request1(near), answers(200, nil)))
		}
	}
	require.NoError(t, serve(t, a, request1(near, "B3", accepted), answers(200, nil)))
	metrics, tracers := w.got(t)
	require.Len(t, metrics, 31)
	require.Len(t, tracers, 3+5+1, "what a caller accepted costs nothing of it")
}

func TestWhatEndsBadlyIsRecorded(t *testing.T) {
	gone := func(w http.ResponseWriter, r *http.Request) error { return caddyhttp.Error(502, errors.New("dial")) }
	slow := func(w http.ResponseWriter, r *http.Request) error {
		<-time.After(20 * time.Millisecond)
		return nil
	}
	for _, x := range []struct {
		about string
		keep  Tracing
		next  caddyhttp.HandlerFunc
		want  int
	}{
		{"an answer of 500 and above", Tracing{KeepErrors: yes()}, answers(503, nil), 1},
		{"an error of a handler", Tracing{KeepErrors: yes()}, gone, 1},
		{"a 404 is an answer", Tracing{KeepErrors: yes()}, answers(404, nil), 0},
		{"a status", Tracing{KeepStatus: []string{"429", "404"}}, answers(404, nil), 1},
		{"another status", Tracing{KeepStatus: []string{"3xx"}}, answers(200, nil), 0},
		{"a slow one", Tracing{KeepSlower: caddy.Duration(20 * time.Millisecond)}, slow, 1},
		{"a quick one", Tracing{KeepSlower: caddy.Duration(time.Minute)}, slow, 0},
		{"no reason", Tracing{KeepErrors: no()}, answers(500, nil), 0},
	} {
		x.keep.Sample = share(0)
		w := watch(t, x.keep)
		serve(t, w.site(t, Tracing{}), request1(near), x.next)
		metrics, tracers := w.got(t)
		require.Len(t, metrics, 1, x.about)
		require.Len(t, tracers, x.want, x.about)
	}
	w := watch(t, Tracing{Sample: share(0), KeepErrors: yes()})
	require.Panics(t, func() {
		serve(t, w.site(t, Tracing{}), request1(near), func(http.ResponseWriter, *http.Request) error { panic("x") })
	})
	_, tracers := w.got(t)
	require.Len(t, tracers, 1, "a panic")
}

func TestASiteTakesBackWhatIsKept(t *testing.T) {
	w := watch(t, Tracing{Sample: share(0), KeepErrors: yes(), KeepStatus: []string{"404"}, KeepSlower: 1})
	nothing := w.site(t, Tracing{KeepErrors: no(), KeepStatus: []string{}, KeepSlower: -1})
	require.Nil(t, nothing.keep)
	for _, code := range []int{200, 404, 500} {
		require.NoError(t, serve(t, nothing, request1(near), answers(code, nil)))
	}
	_, tracers := w.got(t)
	require.Empty(t, tracers)
	require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near), answers(200, nil)))
	_, tracers = w.got(t)
	require.Len(t, tracers, 1)
}

// A service behind this calltap calls another behind it, with the headers that it got. They are one trace with one fate.
func TestTheHopsOfATraceAreKeptTogether(t *testing.T) {
	for _, x := range []struct{ inner, outer, want int }{{500, 200, 2}, {200, 500, 2}, {200, 200, 0}} {
		w := watch(t, Tracing{Sample: share(0), KeepErrors: yes()})
		h := w.site(t, Tracing{})
		require.NoError(t, serve(t, h, request1(near), func(rw http.ResponseWriter, r *http.Request) error {
			again := request1(near, "B3", first(r.Header["B3"]))
			require.NoError(t, serve(t, h, again, answers(x.inner, nil)))
			rw.WriteHeader(x.outer)
			return nil
		}))
		metrics, tracers := w.got(t)
		require.Len(t, metrics, 2)
		require.Len(t, tracers, x.want, "%+v", x)
	}
}

// What an operator switched goes before what the configuration keeps.
func TestSwitchesGoBeforeWhatIsKept(t *testing.T) {
	w := watch(t, Tracing{Sample: share(1), KeepErrors: yes()}, keyrules.Rule{Kind: "http", Path: "/x", Key: "k", Sample: "off"})
	h := w.site(t, Tracing{})
	send := func(s control.Switch, code int) int {
		require.NoError(t, w.control.Set(control.Switch{Do: control.On}))
		require.NoError(t, w.control.Set(s))
		_, before := w.got(t)
		require.NoError(t, serve(t, h, request1(near), answers(code, nil)))
		_, after := w.got(t)
		return len(after) - len(before)
	}
	require.Equal(t, 1, send(control.Switch{Do: control.Sample, Share: 1}, 200), "before a rule")
	require.Equal(t, 0, send(control.Switch{Do: control.Sample, Share: 0}, 200))
	require.Equal(t, 1, send(control.Switch{Do: control.Sample, Share: 0}, 500), "a share leaves what is kept")
	require.Equal(t, 0, send(control.Switch{Do: control.Only, Match: "POST /*"}, 500), "only means only")
	require.Equal(t, 0, send(control.Switch{Do: control.Sample, Share: 0, Key: "k"}, 500), "nothing of that key")
	w.control.Close()
}

// rpcs publishes messages as a broker shows them.
type rpcs struct {
	*spanbuilder.Pairer
	*watched
	now int64
	ids int
}

func (w *watched) rpcs() *rpcs {
	return &rpcs{spanbuilder.NewPairer(spanbuilder.PairerOptions{}), w, 1_790_000_000_000_000, 0}
}

func (p *rpcs) observe(m spanbuilder.Message) {
	p.now += 1000
	m.Time, m.VHost, m.Exchange, m.Dialect = p.now, "/", "nova", "oslo"
	p.Observe(p.tracer, &m)
}

// call is an RPC with its reply; fault is that of the reply.
func (p *rpcs) call(in spanbuilder.Context, method, fault string) {
	p.ids++
	m := spanbuilder.Message{Form: spanbuilder.FormCall, Point: spanbuilder.Published, Context: in, Method: method,
		Topic: "conductor", RoutingKey: "conductor", Connection: "api", ReplyTo: "reply_1", ID: fmt.Sprintf("%032x", p.ids)}
	p.observe(m)
	m.Point, m.Connection, m.Queue = spanbuilder.Delivered, "conductor", "conductor"
	p.observe(m)
	m = spanbuilder.Message{Form: spanbuilder.FormReply, Point: spanbuilder.Published, ReplyTo: "reply_1", ID: m.ID, Connection: "conductor", Error: fault}
	p.observe(m)
	m.Point, m.Connection, m.Queue = spanbuilder.Delivered, "api", "reply_1"
	p.observe(m)
}

// contextOf is what a service sends along in its messages, of the request that it got.
func contextOf(r *http.Request) spanbuilder.Context {
	c, _ := spanbuilder.ParseB3(first(r.Header["B3"]))
	return c
}

func TestRPCIsKeptOrLetGoWithItsRequest(t *testing.T) {
	for _, x := range []struct {
		about         string
		status        int
		before, later string // the faults of an RPC within the request and one behind it
		want          []string
	}{
		{"a request that fails", 500, "", "", []string{"GET /x", "before", "before", "later", "later"}},
		{"a request that ends well", 202, "", "", nil},
		{"an RPC within it that fails", 200, "NotFound", "", []string{"GET /x", "before", "before", "later", "later"}},
		{"an RPC behind it that fails", 202, "", "NoValidHost", []string{"GET /x", "before", "before", "later", "later"}},
	} {
		w := watch(t, Tracing{Sample: share(0), KeepErrors: yes()})
		p := w.rpcs()
		var in spanbuilder.Context
		require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near), func(rw http.ResponseWriter, r *http.Request) error {
			in = contextOf(r)
			require.Equal(t, spanbuilder.Deny, in.Decision)
			p.call(in, "before", x.before)
			rw.WriteHeader(x.status)
			return nil
		}))
		p.call(in, "later", x.later)
		metrics, tracers := w.got(t)
		require.Len(t, metrics, 5, x.about)
		require.ElementsMatch(t, x.want, tracers, x.about)
		for _, s := range w.tracers.spans {
			require.Equal(t, in.TraceID, s.TraceID)
		}
	}
}

// RPC that tells no more than its request's id finds the same fate, after the request was kept too.
func TestRPCThatIsLinkedByItsRequestIDFollows(t *testing.T) {
	w := watch(t, Tracing{Sample: share(0), KeepStatus: []string{"202"}})
	w.tracer.Link = spanbuilder.LinkOpenStack
	p := w.rpcs()
	var id string
	require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near), func(rw http.ResponseWriter, r *http.Request) error {
		id = first(r.Header[requestIDHeader])
		rw.WriteHeader(202)
		return nil
	}))
	trace, ok := spanbuilder.ParseRequestID(id)
	require.True(t, ok)
	entry, ok := w.links.Get(trace)
	require.True(t, ok)
	require.True(t, entry.Sampled, "what follows is recorded from its beginning")
	p.observe(spanbuilder.Message{Form: spanbuilder.FormCast, Point: spanbuilder.Published, GlobalRequestID: id, UserID: "u",
		Method: "build", Topic: "conductor", RoutingKey: "conductor", Connection: "api", ID: strings.Repeat("b", 32)})
	_, tracers := w.got(t)
	require.ElementsMatch(t, []string{"GET /x", "build"}, tracers)
}

func TestTracesThatBeginWithRPC(t *testing.T) {
	off := func(method, sample string) keyrules.Rule {
		return keyrules.Rule{Kind: "rpc", RPCMethod: method, Key: "k." + method, Sample: sample}
	}
	w := watch(t, Tracing{Sample: share(0), KeepErrors: yes(), KeepSlower: caddy.Duration(time.Hour)},
		off("thinned", "1"), off("never", "off"), off("always", "always"))
	p := w.rpcs()
	p.call(spanbuilder.Context{}, "fine", "")
	p.call(spanbuilder.Context{}, "fails", "ValueError")
	p.call(spanbuilder.Context{}, "thinned", "")
	p.call(spanbuilder.Context{}, "never", "ValueError")
	p.call(spanbuilder.Context{TraceID: span.TraceID{Low: 9}, SpanID: 9, Decision: spanbuilder.Deny}, "always", "")
	metrics, tracers := w.got(t)
	require.Len(t, metrics, 10)
	require.ElementsMatch(t, []string{"fails", "fails", "thinned", "thinned", "always", "always"}, tracers)
}

// RPC of a hundred traces is a hundred decisions, however many messages each has: a rate is spent by traces.
func TestARateCountsTracesOfRPC(t *testing.T) {
	w := watch(t, Tracing{SampleRate: &Rate{PerSecond: 1e-3, Burst: 10}})
	p := w.rpcs()
	for i := range 100 {
		in := spanbuilder.Context{TraceID: span.TraceID{High: 5, Low: uint64(i) + 1}, SpanID: 1}
		p.call(in, fmt.Sprintf("a%d", i), "")
		p.call(in, fmt.Sprintf("b%d", i), "")
	}
	metrics, tracers := w.got(t)
	require.Len(t, metrics, 400)
	require.Len(t, tracers, 40)
}

// Requests and RPC of many traces at once, with reasons here and there: a trace is whole or not there, and nothing is counted twice.
func TestLateDecisionsRace(t *testing.T) {
	w := watch(t, Tracing{Sample: share(0.2), KeepErrors: yes()})
	h := w.site(t, Tracing{})
	contexts := make(chan spanbuilder.Context, 1000)
	var wg sync.WaitGroup
	const n = 400
	for i := range n {
		wg.Go(func() {
			code := 200
			if i%3 == 0 {
				code = 500
			}
			serve(t, h, request1(near), func(rw http.ResponseWriter, r *http.Request) error {
				contexts <- contextOf(r)
				rw.WriteHeader(code)
				return nil
			})
		})
	}
	p := w.rpcs()
	for i := range n {
		p.call(<-contexts, fmt.Sprintf("m%d", i), "")
	}
	wg.Wait()
	metrics, _ := w.got(t)
	require.Len(t, metrics, 3*n)
	spans := map[span.TraceID]int{}
	for _, s := range w.tracers.spans {
		spans[s.TraceID]++
	}
	require.GreaterOrEqual(t, len(spans), n/3)
	require.Less(t, len(spans), n)
	for id, got := range spans {
		require.Equal(t, 3, got, "%s", id)
	}
	late := w.holder.Stats()
	require.EqualValues(t, late.Kept+late.LetGo+int64(late.Traces), n-sampledBy(w, 0.2, n), "%+v", late)
}

// sampledBy is how many of n traces their head took: the others were undecided.
func sampledBy(w *watched, share float64, n int) (taken int64) {
	seen := map[span.TraceID]bool{}
	for _, s := range w.metrics.spans {
		if !seen[s.TraceID] && sampling.Chosen(s.TraceID, share) {
			taken++
		}
		seen[s.TraceID] = true
	}
	if len(seen) != n {
		return -1
	}
	return taken
}

// A request that a rule ignores at its end is no request under way any more.
func TestAnIgnoredRequestLeavesNothingUndecided(t *testing.T) {
	w := watch(t, Tracing{Sample: share(0), KeepErrors: yes()}, keyrules.Rule{Kind: "http", Path: "/x", Statuses: []string{"404"}, Ignore: true})
	w.tracer.HasSources = false
	require.NoError(t, serve(t, w.site(t, Tracing{}), request1(near), answers(404, nil)))
	metrics, tracers := w.got(t)
	require.Empty(t, metrics)
	require.Empty(t, tracers)
	require.Equal(t, sampling.Stats{LetGo: 1}, w.holder.Stats())
}

// Requests outlive the configuration that they began with, and its sinks; what is undecided outlives both.
func TestALateDecisionSurvivesReloads(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan int)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		w.WriteHeader(<-answer)
	}))
	t.Cleanup(api.Close)
	zipkin, port, inner := newCollector(t), freePort(t), freePort(t)
	config := func(more string) string {
		outer := site(zipkin, port, "sample 0\n keep_errors\n fake\n"+more, fmt.Sprintf("calltap\n reverse_proxy 127.0.0.1:%d", inner))
		return strings.Replace(outer, "grace_period 2s", "grace_period 1m", 1) + // or requests are cut off on a slow machine
			fmt.Sprintf("\nhttp://127.0.0.1:%d {\n calltap\n reverse_proxy %s\n}", inner, strings.TrimPrefix(api.URL, "http://"))
	}
	run(t, config(""))
	for i, more := range []string{"statsd 127.0.0.1:9", "queue {\n interval 20ms\n}", ""} {
		for _, code := range []int{200, 500} {
			done := make(chan int)
			path := fmt.Sprintf("/%d-%d", i, code)
			go func() {
				resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
				if err != nil {
					done <- -1
					return
				}
				resp.Body.Close()
				done <- resp.StatusCode
			}()
			<-asked
			load(t, config(more))
			answer <- code
			require.Equal(t, code, <-done)
			if code == 500 {
				spans := zipkin.wait(t, path, 2)
				require.Equal(t, spans[0].TraceID, spans[1].TraceID)
			}
		}
	}
	stop(t)
	for _, s := range zipkin.all() {
		require.Contains(t, s.Tags[span.TagHTTPPath], "-500")
	}
}

func TestStatusShowsWhatIsUndecided(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	run(t, adminSite(admin, port, "store\n sample 0\n keep_errors\n fake", "calltap\n do"))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/fails", port))
	_, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/calltap/status", admin))
	var s status
	require.NoError(t, json.Unmarshal([]byte(body), &s))
	require.Equal(t, 1, s.Late.Traces, body)
	require.Equal(t, 1, s.Late.Spans)
	require.Positive(t, s.Late.Bytes)
	require.EqualValues(t, 1, s.Late.Kept)
}

// What a request costs that is not recorded, without and with a reason for which it might be.
func BenchmarkUnsampled(b *testing.B) {
	for _, name := range []string{"let go", "may be kept"} {
		b.Run(name, func(b *testing.B) {
			p := emit.New(emit.Options{}, &discard{})
			defer p.Close(b.Context())
			st := testState(b, p, novaRules, spanbuilder.LinkNone)
			st.tracer.Head = sampling.Head{}
			if name == "may be kept" {
				st.keep, st.keeps = &sampling.Keep{Errors: true}, true
			}
			benchmarkHandler(b, newHandler(b, "nova-api", st), http.Header{})
		})
	}
}
