package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// messagesOf makes messages of any bytes, eight a message, out of so few ids, queues and connections that they meet.
func messagesOf(data []byte) []Message {
	pick := func(b byte, from ...string) string { return from[int(b)%len(from)] }
	var all []Message
	now := t0
	for ; len(data) >= 8; data = data[8:] {
		d := data[:8]
		now += int64(int8(d[0])) * 100_000
		m := Message{
			Time: now, Point: Point(d[1] & 3), Form: Form(d[1] >> 2 & 7), OneSided: d[1]>>5 == 7,
			Redelivered: d[2]&1 != 0, Unroutable: d[2]&6 == 6, Timeout: time.Duration(d[2]>>3) * time.Second,
			ID:         pick(d[3], callID, "1", "", "another-unique-identity", callID[1:]),
			ReplyTo:    pick(d[3]>>4, "reply_a", "reply_b", "", directReply+"x"),
			Connection: pick(d[4], "a", "b", "c", "d", ""), Queue: pick(d[4]>>4, "q", "r", ""),
			Topic: pick(d[5], "compute", "conductor", ""), Method: pick(d[5]>>4, "m", "n", ""), Exchange: pick(d[5]>>6, "nova", ""),
			UserID:          pick(d[6], "u", ""),
			RequestID:       pick(d[6]>>1, clientsOwn, "", "req-junk", "req-330d23da-f3ee-4c8c-93f3-8e80db156ec9"),
			GlobalRequestID: pick(d[6]>>4, "", clientsOwn, "x"), Error: pick(d[7], "", "Boom"),
			MayNotReply: d[1]>>5 == 5, DeadReason: pick(d[4]>>2, "", "", "expired"), DeadQueue: pick(d[4]>>5, "", "q"),
			Root: pick(d[0]>>4, "", "", rootUUID, "another-tree-of-calls"), Work: Ident(d[0] & 3), Parent: Ident(d[0] >> 2 & 3),
		}
		if d[7]&0x80 != 0 {
			m.Context = Context{TraceID: span.TraceID{Low: uint64(d[7]&3) + 1}, SpanID: span.ID(d[7] >> 2 & 3), Decision: Decision(d[7] >> 4 & 3)}
		}
		all = append(all, m)
	}
	return all
}

func FuzzObserve(f *testing.F) {
	f.Add([]byte("\x01\x05\x08\x00\x00\x00\x00\x00\x01\x06\x08\x00\x01\x00\x00\x00\x01\x15\x00\x00\x01\x00\x00\x00\x01\x16\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x01\x09\x00\x00\x00\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x00\x00\x01\x05\x08\x03\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		messages := messagesOf(data)
		tracer := newFuzzTracer()
		sink := &kept{}
		tracer.Sink = sink
		p := NewPairer(PairerOptions{MaxOpen: 4, MaxProcesses: 6, CastLife: 2 * time.Second, Linger: time.Second})
		for i := range messages {
			m := messages[i]
			if m.Size = i; m.Error != "" && m.Form != FormReply {
				tracer.LinkResponse(m.RequestID, Server{TraceID: id128, ID: idSpan, Sampled: true}, "api")
			}
			p.Observe(tracer, &m)
			require.LessOrEqual(t, p.calls.open(), 4)
			require.LessOrEqual(t, p.traces.index.n, 4)
			require.LessOrEqual(t, len(p.casts.byKey), 4)
			require.LessOrEqual(t, len(p.processes.nodes), 6)
			checkTables(t, p)
		}
		p.Flush(tracer, t0)
		require.Zero(t, p.calls.open())
		require.Zero(t, p.calls.index.n)
		require.Empty(t, p.calls.deadlines)
		require.Zero(t, p.traces.index.n)
		require.Nil(t, p.traces.casts.oldest)
		require.EqualValues(t, len(sink.spans), p.Stats().Spans)
		checkAcyclic(t, sink.spans)
	})
}

func newFuzzTracer() *Tracer {
	t := &Tracer{Head: sampling.Head{Share: 0.5}, Link: LinkOpenStack, Links: NewLinks(1), HasSources: true}
	t.Links.Put(span.TraceID{Low: 1}, Entry{ID: 9, Service: "api"})
	return t
}

// openTraces are those of the table, each found by its id.
func openTraces(t *testing.T, p *Pairer) (all []*trace) {
	for _, tr := range p.traces.all {
		if tr != nil {
			all = append(all, tr)
			require.Same(t, tr, p.traces.get(tr.id))
		}
	}
	require.Len(t, all, p.traces.index.n)
	return all
}

// openCalls are the calls of all lanes, each checked to be in its own.
func openCalls(p *Pairer) (all []*call) {
	for lane := range p.calls.lanes.ends {
		n := int32(0)
		for at := p.calls.lanes.ends[lane].oldest; at != none; n++ {
			c := p.calls.slab.at(at)
			if int(c.lane) != lane {
				panic("a call is in a lane that is not its own")
			}
			all = append(all, c)
			at = c.newer
		}
		if n != p.calls.lanes.counts[lane] {
			panic("a lane's count is wrong")
		}
	}
	return all
}

// checkTables asserts that every list and count inside agrees with every other.
func checkTables(t *testing.T, p *Pairer) {
	open := openCalls(p)
	keys := map[key]bool{}
	for _, c := range open {
		keys[c.key] = true
		alike := p.calls.get(c.key)
		for alike != c {
			require.NotNil(t, alike)
			alike = p.calls.next(alike)
		}
		require.Same(t, c, p.calls.slab.at(p.calls.deadlines[c.place]))
	}
	require.Equal(t, len(keys), p.calls.index.n)
	require.Len(t, open, p.calls.open())
	require.Len(t, p.calls.deadlines, len(open))
	for i := range p.calls.deadlines {
		require.False(t, p.calls.before(i, (max(i, 1)-1)/2))
	}
	casts := map[*activity]bool{}
	for a := p.traces.casts.oldest; a != nil; a = a.after {
		require.False(t, casts[a])
		casts[a] = true
	}
	for _, tr := range openTraces(t, p) {
		works, refs := uint8(0), int32(0)
		if tr.join != nil && tr.join.spans.oldest != nil {
			require.True(t, tr.awaits)
			refs++
		}
		for a := tr.work; a != nil; a = a.next {
			works++
			if !a.ended {
				refs++
				require.Equal(t, a.cast, casts[a])
				delete(casts, a)
			}
		}
		for _, c := range open {
			if c.work.trace == tr {
				refs++
			}
		}
		require.Equal(t, works, tr.works)
		require.Equal(t, refs, tr.refs)
	}
	require.Empty(t, casts)
	for i := range p.processes.nodes {
		head := p.processes.nodes[i].set.work
		if head == nil {
			continue
		}
		require.Same(t, head, head.after.before)
		for a, n := head.after, 0; a != head; a, n = a.after, n+1 {
			require.Less(t, n, 100)
			require.False(t, a.ended)
			require.Same(t, a, a.after.before)
			require.False(t, a.trace.gone)
		}
	}
}

// checkAcyclic asserts that no chain of parents comes back to its beginning.
func checkAcyclic(t *testing.T, all spans) {
	ids := all.byID()
	for _, s := range all {
		require.Positive(t, s.Start)
		require.GreaterOrEqual(t, s.Duration, int64(0))
		require.NotZero(t, s.ID)
		at, steps := s.Parent, 0
		for at != 0 {
			require.NotEqual(t, s.ID, at)
			next, ok := ids[at]
			if !ok {
				break
			}
			at = next.Parent
			steps++
			require.LessOrEqual(t, steps, len(all))
		}
	}
}
