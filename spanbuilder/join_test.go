package spanbuilder

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// httpEvent is the begin or the end of a request in testdata/*.http.tsv.
type httpEvent struct {
	time int64
	n    int // of the request
	id   string
	end  bool
	name string
}

func httpLog(t *testing.T, name string) []httpEvent {
	f, err := os.Open("testdata/" + name + ".http.tsv")
	require.NoError(t, err)
	defer f.Close()
	var all []httpEvent
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cell := strings.Split(lines.Text(), "\t")
		require.Len(t, cell, 5)
		for i := range 2 {
			at, err := strconv.ParseInt(cell[i], 10, 64)
			require.NoError(t, err)
			all = append(all, httpEvent{time: at, n: len(all) / 2, id: cell[4], end: i == 1, name: cell[2]})
		}
	}
	slices.SortStableFunc(all, func(a, b httpEvent) int { return cmp.Compare(a.time, b.time) })
	return all
}

// nova-api here got no id that it would have passed on, so that its response alone tells which RPC is its request's. The
// cast goes out before the response does.
func TestABootWithoutAGlobalIDJoinsItsHTTPRequestByTheResponse(t *testing.T) {
	events := httpLog(t, "boot1-noglobal")
	tracer, sink := newTracer(t, nil), &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	servers := map[int]Server{}
	var boot Server
	before := 0
	advance := func(until int64) {
		for ; len(events) > 0 && events[0].time <= until; events = events[1:] {
			e := events[0]
			if !e.end {
				servers[e.n] = tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head)
			} else {
				tracer.LinkResponse(e.id, servers[e.n], "nova-api")
			}
			if e.name == "POST /v2.1/servers" {
				boot = servers[e.n]
			}
		}
	}
	var last int64
	for _, m := range capture(t, "boot1-noglobal") {
		advance(m.Time)
		if len(events) > 0 && events[0].end && m.Point == Published {
			before++
		}
		p.Observe(tracer, &m)
		last = m.Time
	}
	require.NotZero(t, before, "the cast came before the response, or this tests nothing")
	p.Flush(tracer, last)
	all := spans(sink.spans)
	checkShape(t, all)
	require.Len(t, all, 32)
	for _, s := range all {
		require.Equal(t, boot.TraceID, s.TraceID, "%v %s", s.Kind, tag(s, "rpc.method"))
	}
	first := all.one(t, span.KindProducer, "schedule_and_build_instances")
	require.Equal(t, boot.ID, first.Parent)
	require.Equal(t, "nova-api", first.Local.Service)
	require.EqualValues(t, 1, p.Stats().Joined)
	require.Zero(t, p.Stats().Held)
	require.Zero(t, p.Stats().Traces)
}

// A call's reply comes before the response that it makes, so both its spans wait.
func TestACallThatItsHTTPRequestWaitsForJoinsItAll(t *testing.T) {
	for name, ratio := range map[string]float64{"sampled": 1, "not sampled": 0} {
		t.Run(name, func(t *testing.T) {
			tracer, sink := newTracer(t, nil), &kept{}
			tracer.Sink, tracer.Head.Share = sink, ratio
			http := tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head)
			p := NewPairer(PairerOptions{})
			in := call4(callID)
			for i := range in {
				p.Observe(tracer, &in[i])
			}
			require.Empty(t, sink.spans)
			require.EqualValues(t, 2, p.Stats().Held)
			tracer.LinkResponse(in[0].RequestID, http, "nova-api")
			p.Advance(tracer, in[3].Time+joinWithin)
			all := spans(sink.spans)
			require.Len(t, all, 2)
			client, server := all.one(t, span.KindClient, ""), all.one(t, span.KindServer, "")
			require.Equal(t, http.TraceID, client.TraceID)
			require.Equal(t, http.TraceID, server.TraceID)
			require.Equal(t, http.ID, client.Parent)
			require.Equal(t, client.ID, server.Parent)
			require.Equal(t, "nova-api", client.Local.Service)
			require.Equal(t, "nova-api", server.Remote.Service)
			require.Equal(t, ratio == 1, client.Sampled)
			require.Zero(t, p.Stats().Held)

			in = shift(call4("another-call-of-that-request"), 1e9)
			for i := range in {
				p.Observe(tracer, &in[i])
			}
			require.Len(t, sink.spans, 4, "the table knows by now")
			require.Equal(t, http.ID, spans(sink.spans[2:]).one(t, span.KindClient, "").Parent)
		})
	}
}

func TestWhatNoResponseExplainsIsEmittedAllTheSame(t *testing.T) {
	tracer, sink := newTracer(t, nil), &kept{}
	tracer.Sink = sink
	tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head) // of another request
	p := NewPairer(PairerOptions{})
	in := call4(callID)
	for i := range in {
		p.Observe(tracer, &in[i])
	}
	p.Advance(tracer, in[3].Time+joinWithin-1)
	require.Empty(t, sink.spans)
	p.Advance(tracer, in[3].Time+joinWithin)
	require.Len(t, sink.spans, 2)
	require.Equal(t, uuidOf(t, in[0].RequestID), sink.spans[0].TraceID)
	require.Zero(t, p.Stats().Joined+p.Stats().Held+p.Stats().Traces)
}

func TestNothingIsHeldThatNoResponseCanExplain(t *testing.T) {
	for name, change := range map[string]func(*Message, *Tracer){
		"a global id":     func(m *Message, _ *Tracer) { m.GlobalRequestID = "req-8618abd6-25f9-443d-a023-040661f408ff" },
		"nobody asked":    func(m *Message, _ *Tracer) { m.UserID = "" },
		"trace headers":   func(m *Message, _ *Tracer) { m.Context = Context{TraceID: id128, SpanID: idSpan} },
		"not linked":      func(_ *Message, t *Tracer) { t.Link = LinkNone },
		"no HTTP is here": func(_ *Message, t *Tracer) { t.Links = NewLinks(0) },
	} {
		tracer, sink := newTracer(t, nil), &kept{}
		tracer.Sink = sink
		tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head)
		p := NewPairer(PairerOptions{})
		in := call4(callID)
		for i := range in {
			change(&in[i], tracer)
			p.Observe(tracer, &in[i])
		}
		require.Len(t, sink.spans, 2, name)
	}
}

func TestAFloodOfTracesThatAwaitTheirResponseIsBounded(t *testing.T) {
	tracer, sink := newTracer(t, nil), &nothing{}
	tracer.Sink = sink
	tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head)
	p := NewPairer(PairerOptions{})
	const n = maxAwaited
	for i := range n {
		for _, m := range call4(fmt.Sprintf("call-number-%012d", i)) {
			m.RequestID = string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1}))
			p.Observe(tracer, &m)
			require.LessOrEqual(t, p.awaited, maxAwaited)
			require.LessOrEqual(t, p.pool.n, maxAwaited+maxHeld)
		}
	}
	require.NotZero(t, p.Stats().JoinsGivenUp)
	require.Equal(t, 2*n-p.awaited, sink.n)
	p.Flush(tracer, t0)
	require.Equal(t, 2*n, sink.n)
	require.Zero(t, p.Stats().Held+p.Stats().Traces)
	require.Zero(t, p.awaited)
}
