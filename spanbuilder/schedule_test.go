package spanbuilder

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// world is a make-believe deployment in the manner of oslo.messaging: processes that each listen, send and await replies on
// connections of their own and do any number of works at once, each of which does one thing at a time. What it sends is recorded, and
// why, so that links and parents can be compared with the truth.
type world struct {
	rng      *rand.Rand
	n        int // processes
	messages []Message
	facts    []fact
	ids      int
	used     map[int64]bool // times of publishes: a fact is found by its own
}

// doingWork is what one process does for one request, from a message on.
type doingWork struct {
	process int
	request string
	parent  string // the message it came with, "" at the API
	depth   int
}

func (w *world) topic(p int) string { return fmt.Sprintf("topic%d", p/2) } // two processes serve each topic

func (w *world) conn(p int, use string) string { return fmt.Sprintf("p%d %s", p, use) }

func (w *world) pause() int64 { return 100 + w.rng.Int64N(20_000) } // µs

// send records a message's publish, at now or a little later, and its delivery to process to.
func (w *world) send(now int64, from doingWork, to int, form Form) (id string, published, delivered int64) {
	for w.used[now] {
		now++
	}
	w.used[now] = true
	w.ids++
	id = fmt.Sprintf("message-%024d", w.ids)
	m := Message{
		Time: now, Point: Published, Form: form, Dialect: "oslo", Exchange: "x", RoutingKey: w.topic(to), Topic: w.topic(to),
		Method: "m", ID: id, Connection: w.conn(from.process, "out"), RequestID: from.request, UserID: "u",
	}
	if form == FormCall {
		m.ReplyTo = fmt.Sprintf("reply_of_process_%d", from.process)
	}
	w.messages = append(w.messages, m)
	at := now + 20 + w.rng.Int64N(2000)
	m.Time, m.Point, m.Queue, m.Connection = at, Delivered, w.topic(to), w.conn(to, "in")
	w.messages = append(w.messages, m)
	w.facts = append(w.facts, fact{
		published: now, id: id, method: "m", request: from.request, parent: from.parent,
		sender: fmt.Sprint("p", from.process), receiver: fmt.Sprint("p", to),
	})
	return id, now, at
}

func (w *world) answer(now int64, id string, from, to int) int64 {
	reply := fmt.Sprintf("reply_of_process_%d", to)
	m := Message{
		Time: now, Point: Published, Form: FormReply, Dialect: "oslo", RoutingKey: reply, ReplyTo: reply, ID: id, Connection: w.conn(from, "out"),
	}
	w.messages = append(w.messages, m)
	m.Time += 20 + w.rng.Int64N(2000)
	m.Point, m.Queue, m.Connection = Delivered, reply, w.conn(to, "reply")
	w.messages = append(w.messages, m)
	return m.Time
}

// run does a work from now on, and returns when it ended.
func (w *world) run(now int64, d doingWork) int64 {
	now += w.pause()
	for steps := w.rng.IntN(4); steps > 0 && d.depth < 4; steps-- {
		to := w.rng.IntN(w.n)
		if to == d.process {
			continue
		}
		next := doingWork{process: to, request: d.request, depth: d.depth + 1}
		if w.rng.IntN(4) == 0 {
			var delivered int64
			next.parent, now, delivered = w.send(now, d, to, FormCast)
			w.run(delivered, next)
		} else {
			var delivered int64
			next.parent, _, delivered = w.send(now, d, to, FormCall)
			now = w.answer(w.run(delivered, next), next.parent, to, d.process)
		}
		now += w.pause()
	}
	return now
}

// newWorld lets so many requests overlap.
func newWorld(seed uint64, processes, requests int, apart int64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0)), n: processes, used: map[int64]bool{}}
	for i := range requests {
		id := string(AppendRequestID(nil, span.TraceID{High: seed + 1, Low: uint64(i) + 1}))
		w.run(t0+int64(i)*apart, doingWork{process: w.rng.IntN(processes), request: id})
	}
	slices.SortStableFunc(w.messages, func(a, b Message) int { return cmp.Compare(a.Time, b.Time) })
	return w
}

func TestAnyScheduleIsLinkedAndItsWrongParentsAreTaggedAsGuesses(t *testing.T) {
	for _, c := range []struct {
		name  string
		apart int64 // µs between the begins of requests
		right float64
		known float64 // with names
	}{
		{"one after the other", 1_000_000, 0.90, 0.92},
		{"many at once", 5_000, 0.90, 0.92},
	} {
		var sum, known score
		for seed := range uint64(12) {
			w := newWorld(seed, 8, 20, c.apart)
			got, _ := replay(t, newTracer(t, nil), PairerOptions{}, w.messages)
			checkShape(t, got)
			sum.add(judge(t, got, w.facts))
			got, _ = replay(t, newTracer(t, nil), PairerOptions{Identify: identified(w.messages, w.facts)}, w.messages)
			checkShape(t, got)
			known.add(judge(t, got, w.facts))
		}
		for _, s := range []score{sum, known} {
			require.Equal(t, s.requests, s.linked)
			require.Empty(t, s.sure, "wrong, and no guess")
		}
		t.Logf("%s, firehose alone: %v", c.name, sum)
		t.Logf("%s, names known:    %v", c.name, known)
		require.GreaterOrEqual(t, sum.share(), c.right)
		require.GreaterOrEqual(t, known.share(), c.known)
	}
}

func (s *score) add(o score) {
	s.requests, s.linked, s.stray = s.requests+o.requests, s.linked+o.linked, s.stray+o.stray
	s.right, s.guessed = s.right+o.right, s.guessed+o.guessed
	s.wrong, s.sure = append(s.wrong, o.wrong...), append(s.sure, o.sure...)
}

func (s *score) share() float64 { return float64(s.right) / float64(s.right+len(s.wrong)) }

// However messages are lost, doubled or moved, nothing grows and each span is told once.
func TestAnyScheduleWithLossesStaysWithinItsBounds(t *testing.T) {
	const limit = 16
	for seed := range uint64(20) {
		w := newWorld(seed, 6, 30, 3000)
		rng := rand.New(rand.NewPCG(seed, 1))
		tracer, sink := newTracer(t, nil), &kept{}
		tracer.Sink = sink
		if seed%2 == 0 {
			tracer.StartServer(Context{}, false, "", false, "api", tracer.Head) // so that spans are held for its response
		}
		p := NewPairer(PairerOptions{MaxOpen: limit, MaxProcesses: limit, Identify: identified(w.messages, w.facts)})
		var last int64
		for i := range w.messages {
			m := w.messages[i]
			switch rng.IntN(10) {
			case 0:
				continue
			case 1:
				m.Time += rng.Int64N(200_000) - 100_000
			case 2:
				again := m
				p.Observe(tracer, &again)
			}
			p.Observe(tracer, &m)
			last = max(last, m.Time)
			require.LessOrEqual(t, p.traces.index.n, limit)
			require.LessOrEqual(t, len(p.processes.nodes), limit)
		}
		p.Flush(tracer, last)
		checkAcyclic(t, sink.spans)
		require.Len(t, spans(sink.spans).byID(), len(sink.spans), "no span twice")
		stats := p.Stats()
		require.Zero(t, stats.Held+stats.Traces+stats.Open)
		require.Zero(t, p.awaited)
		require.EqualValues(t, len(sink.spans), stats.Spans)
	}
}
