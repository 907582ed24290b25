package spanbuilder

import "github.com/calltap/calltap/span"

// When the work on a one-way message ends, nobody is told. It is inferred: the work lasted until the last thing that it
// caused, which is known once it has caused nothing more for a while.
//
//	delivered ──► causes a call ──► its reply ──► causes a cast ──────────── CastQuiet ───────────►│
//	└───────────────────── CONSUMER, calltap.end=inferred ──────┘                                  emitted
//
// Until then its span is held. While a call that it caused is open, the quiet time does not begin. Work that caused nothing
// gets no length. What it causes after the span is gone cannot lengthen it, and is counted (PairerStats.AfterEnd).

// endTag says how the end of a span is known, if not by a message.
const endTag = "calltap.end"

// maxHeld is how many spans may be held at once; with one more, the oldest goes as it is.
const maxHeld = 32768

// held is a span that waits for what is not known yet. The structs are used again.
type held struct {
	span          span.Span
	work          *activity // of a CONSUMER: whose end it waits for
	home          *trace
	last          int64 // when its work last caused something, or may have
	caused        int64 // when it last did, zero if never
	nameless      side  // the end whose service is only a stopgap
	before, after *held
}

// heldList is a list of spans, the first to go first.
type heldList struct{ oldest, newest *held }

func (l *heldList) push(h *held) {
	h.before, h.after = l.newest, nil
	if l.newest != nil {
		l.newest.after = h
	} else {
		l.oldest = h
	}
	l.newest = h
}

func (l *heldList) remove(h *held) {
	if h.before != nil {
		h.before.after = h.after
	} else {
		l.oldest = h.after
	}
	if h.after != nil {
		h.after.before = h.before
	} else {
		l.newest = h.before
	}
	h.before, h.after = nil, nil
}

// heldPool is where the structs of all held spans come from.
type heldPool struct {
	free  *held
	n     int
	count *counters
}

// heldChunk structs are allocated at a time.
const heldChunk = 64

func (s *heldPool) get() *held {
	if s.free == nil {
		chunk := make([]held, heldChunk)
		for i := range chunk {
			chunk[i].after, s.free = s.free, &chunk[i]
		}
	}
	h := s.free
	s.free, h.after = h.after, nil
	s.n++
	s.count.held.Store(int64(s.n))
	return h
}

func (s *heldPool) put(h *held) {
	*h = held{after: s.free}
	s.free = h
	s.n--
	s.count.held.Store(int64(s.n))
}

// awaitEnd holds p.out, the span of the delivery with which work began.
func (p *Pairer) awaitEnd(t *Tracer, work *activity) {
	for p.pool.n >= maxHeld && p.ends.oldest != nil {
		p.count.endsGivenUp.Add(1)
		p.finishWork(t, p.ends.oldest, false)
	}
	p.extra.add(&p.out)
	h := p.pool.get()
	h.span, h.work, h.home, h.nameless, h.last = p.out, work, work.trace, p.nameless, work.delivered
	work.held = h
	p.ends.push(h)
}

// caused notes that a caused something, a message or the reply to one.
func (p *Pairer) caused(a *activity, now int64) {
	p.traces.touch(a, now)
	switch h := a.held; {
	case h != nil:
		h.last, h.caused = max(h.last, now), max(h.caused, now)
		p.ends.remove(h)
		p.ends.push(h)
	case a.cast && !a.ignored:
		p.count.afterEnd.Add(1)
	}
}

// suspend notes that c was sent, and that the work that sent it waits now.
func (p *Pairer) suspend(c *call, now int64) {
	c.flags |= waiting
	if c.is(exactParent) {
		c.cause = c.work.trace.workOf(c.parent)
		c.set(certain, !c.is(guessedTrace))
	} else {
		a, rank, rival := p.cause(c.work.trace, c.sending())
		c.cause = a
		c.set(rivalled, rival)
		c.set(rooted, a == nil && rank == surely)
		c.set(certain, !rival && (a == nil || rank == surely))
	}
	d := doing{trace: c.work.trace.id, time: now, waits: 1}
	if c.cause != nil {
		d.parent, d.service = c.cause.span, c.cause.role.service
	}
	p.waits(c, now, 1)
	p.processes.worked(c.work.sender, d)
}

// resume notes that the caller of c goes on with its own work: it has its answer, or waits no longer.
func (p *Pairer) resume(c *call, now int64) {
	if !c.is(waiting) {
		return
	}
	c.flags &^= waiting
	under := span.ID(0)
	if c.cause != nil {
		under = c.cause.span
	}
	p.waits(c, now, -1)
	p.processes.resumed(c.work.sender, c.work.trace.id, under, now)
}

// waits notes that what sent c awaits one reply more, or less.
func (p *Pairer) waits(c *call, now int64, more int32) {
	known := int32(0)
	if c.is(certain) {
		known = more
	}
	if c.cause == nil {
		p.rootSends(c.work.trace, c.work.sender, now, more, known)
		return
	}
	c.cause.pins += more
	c.cause.waits += known
	p.caused(c.cause, now)
}

// endQuiet emits the spans of the works that caused nothing since before and wait for nothing.
func (p *Pairer) endQuiet(t *Tracer, before int64) {
	for h := p.ends.oldest; h != nil && h.last <= before; h = p.ends.oldest {
		if h.work.pins > 0 {
			h.last = before + pinnedRetry
			p.ends.remove(h)
			p.ends.push(h)
			continue
		}
		p.finishWork(t, h, true)
	}
}

// finishWork emits the span of a work, as long as the work is known to have lasted if it is quiet.
func (p *Pairer) finishWork(t *Tracer, h *held, quiet bool) {
	p.ends.remove(h)
	s := &h.span
	if end := h.caused; quiet && end != 0 {
		s.Duration = length(s.Start, end)
		s.Tags = append(s.Tags, span.Tag{Key: endTag, Value: "inferred"})
	}
	h.work.held = nil
	p.out, p.extra, p.home, p.nameless = *s, nil, h.home, h.nameless
	p.pool.put(h)
	p.emit(t)
}
