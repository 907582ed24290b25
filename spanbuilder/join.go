package spanbuilder

import "github.com/calltap/calltap/span"

// Where a request id is all that its messages tell, the trace that it belongs to is known only when the HTTP response shows
// that id (Links.Put by the HTTP handler), and RPC comes before the response: nova sends a boot's first cast some
// milliseconds before its 202. So the spans of such a trace are held until then:
//
//	cast published ─► held ──► 202, X-Compute-Request-Id: that id ─► Links ──► next message, or Advance ─► emitted in the HTTP trace
//	                   └────── 2 s after the last message, no call open ─────► emitted as a trace of that id
//
// Nothing is held when no HTTP request was seen here, nor with a global request id, nor of what nobody asked for.
const (
	joinWithin = int64(2e6) // after the last message of a trace
	maxAwaited = 16384      // spans held so at once; with one more, the trace that was silent for longest gives up
)

// join is what a trace has whose spans have, or may get, another id than its messages tell.
type join struct {
	as            span.TraceID // of its spans; zero: that of the trace
	calls         int32        // that are open, if it awaits
	last          int64        // when a message of it was last seen; zero: it never had to wait
	due           int64        // the same, as of its place in the list
	spans         heldList
	entry         Entry // the HTTP span that the response header named, zero if none
	before, after *trace
}

// side is an end of a call, as a span has two.
type side uint8

const (
	neither side = iota
	localSide
	remoteSide
)

// emit gives away p.out, or holds it if the trace to which it belongs is yet to be known.
func (p *Pairer) emit(t *Tracer) {
	p.extra.add(&p.out)
	p.extra = nil
	home := p.home
	if home.awaits && !p.joined(t, home) {
		p.await(t, home)
		return
	}
	p.offer(t, home, &p.out, p.nameless)
	if home.refs == 0 && !home.gone {
		p.traces.drop(home) // it was made for this span
	}
}

// offer gives a span to the sink, as one of home's.
func (p *Pairer) offer(t *Tracer, home *trace, s *span.Span, nameless side) {
	if s.TraceID = home.as(); !s.Settled {
		s.Sampled, s.Debug = home.sampled, home.debug
	}
	if home.join != nil {
		home.join.entry.complete(s, nameless)
	}
	p.count.spans.Add(1)
	if t.Sink != nil {
		t.Sink.Offer(s)
	}
}

// complete gives a span that was made before the entry was known what it lacks.
func (e *Entry) complete(s *span.Span, nameless side) {
	if s.Parent == 0 {
		s.Parent = e.ID
	}
	switch {
	case e.Service == "":
	case nameless == localSide:
		s.Local.Service = e.Service
	case nameless == remoteSide:
		s.Remote.Service = e.Service
	}
}

// joined looks whether the trace of home is known by now.
func (p *Pairer) joined(t *Tracer, home *trace) bool {
	e, ok := t.Links.Get(home.id)
	if !ok {
		return false
	}
	p.count.joined.Add(1)
	home.join.as, home.sampled, home.join.entry = e.TraceID, e.Sampled, e
	p.settleTrace(t, home)
	return true
}

// locateByResponse places the request of a user whose request id alone is known.
func (p *Pairer) locateByResponse(t *Tracer, m *Message, id span.TraceID) (place, origin) {
	pl := p.decide(t, m, id, true)
	if tr := p.traces.get(id); tr != nil {
		p.heard(tr, m.Time)
		if !tr.awaits && tr.join != nil && tr.join.last != 0 {
			return pl, origin{parent: tr.join.entry.ID, service: tr.join.entry.Service}
		}
	}
	if e, ok := t.Links.Get(id); ok {
		pl.as, pl.sampled = e.TraceID, e.Sampled
		return pl, origin{parent: e.ID, service: e.Service}
	}
	pl.awaits = t.Link == LinkOpenStack && t.Links.used()
	return pl, origin{}
}

// await holds p.out until its trace is known.
func (p *Pairer) await(t *Tracer, home *trace) {
	for p.awaited >= maxAwaited && p.awaiting.oldest != nil {
		p.count.joinsGivenUp.Add(1)
		p.settleTrace(t, p.awaiting.oldest)
	}
	if !home.awaits {
		p.offer(t, home, &p.out, p.nameless) // it was the one to give up
		return
	}
	h := p.pool.get()
	h.span, h.nameless = p.out, p.nameless
	if home.join.spans.oldest == nil {
		home.refs++
		p.awaiting.push(home, home.join.last)
	}
	p.heard(home, p.now)
	home.join.spans.push(h)
	p.awaited++
}

// settleTrace says that home is the trace for good, and emits what was held of it.
func (p *Pairer) settleTrace(t *Tracer, home *trace) {
	home.awaits = false
	spans := &home.join.spans
	if spans.oldest == nil {
		return
	}
	p.awaiting.remove(home)
	for h := spans.oldest; h != nil; h = spans.oldest {
		spans.remove(h)
		p.offer(t, home, &h.span, h.nameless)
		p.pool.put(h)
		p.awaited--
	}
	p.traces.release(home)
}

// opened notes n more open calls of a trace.
func (t *trace) opened(n int32) {
	if t.join != nil {
		t.join.calls += n
	}
}

// heard notes a message of home.
func (p *Pairer) heard(home *trace, now int64) {
	j := home.join
	if j == nil || j.last == 0 {
		return
	}
	j.last = max(j.last, now)
	if j.spans.oldest != nil {
		p.awaiting.remove(home)
		p.awaiting.push(home, j.last)
	}
}

// joinQuiet settles the traces that are known by now, and those of which nothing was heard since before.
func (p *Pairer) joinQuiet(t *Tracer, before int64) {
	for home := p.awaiting.oldest; home != nil && home.join.due <= before; home = p.awaiting.oldest {
		switch {
		case p.joined(t, home):
		case home.join.calls > 0:
			p.awaiting.remove(home)
			p.awaiting.push(home, before+pinnedRetry) // its HTTP request is not answered yet
		default:
			p.settleTrace(t, home)
		}
	}
}

// awaitingList lists the traces of which spans are held, by when they are next looked at.
type awaitingList struct{ oldest, newest *trace }

func (l *awaitingList) push(t *trace, at int64) {
	j := t.join
	j.due, j.before, j.after = at, l.newest, nil
	if l.newest != nil {
		l.newest.join.after = t
	} else {
		l.oldest = t
	}
	l.newest = t
}

func (l *awaitingList) remove(t *trace) {
	j := t.join
	if j.before != nil {
		j.before.join.after = j.after
	} else {
		l.oldest = j.after
	}
	if j.after != nil {
		j.after.join.before = j.before
	} else {
		l.newest = j.before
	}
	j.before, j.after = nil, nil
}
