package spanbuilder

import "github.com/calltap/calltap/span"

// place is where a request belongs.
type place struct {
	trace   span.TraceID
	as      span.TraceID // what its spans have in place of that; zero: the same
	awaits  bool         // for an HTTP response to tell
	sampled bool
	debug   bool
	user    bool // somebody asked for it
}

// origin is the parent of a request if no RPC span turns out to have caused it.
type origin struct {
	parent  span.ID
	service string // of the HTTP span that parent is, if known
	exact   bool   // the message named its parent: no other is looked for
	guessed bool   // the trace itself was inferred
}

const (
	// adoptWithin is how shortly before a message with a foreign id its sender must have been at work on the
	// trace that the message is then counted to.
	adoptWithin = int64(100e3)
	// adoptClear is how long the sender must have been at work on that trace alone.
	adoptClear = int64(1e6)
)

// locate finds the trace of a request, by the first of these that it carries:
//
//  1. trace headers
//  2. an OpenStack global request id, which is the trace id by which its HTTP request entered
//  3. an OpenStack request id
//  4. nothing: its sender's only open call, else a trace of its own
//
// The context is that of (3) without a user, else nil.
func (p *Pairer) locate(t *Tracer, m *Message, ids key, sender processRef) (place, origin, *context) {
	if !m.Context.TraceID.IsZero() {
		return p.locateByHeaders(t, m)
	}
	if id, ok := ParseRequestID(m.GlobalRequestID); ok {
		pl, o := p.locateByGlobalID(t, m, id)
		return pl, o, nil
	}
	if id, ok := ParseRequestID(m.RequestID); ok {
		return p.locateByRequestID(t, m, id, sender)
	}
	if a := p.processes.onlyWork(sender); a != nil && !a.trace.gone && !a.ignored {
		p.count.adopted.Add(1)
		tr := a.trace
		return placeOf(tr),
			origin{parent: a.span, service: a.role.service, exact: true, guessed: true}, nil
	}
	p.count.unlinked.Add(1)
	return p.decide(t, m, ids.trace(), true), origin{}, nil
}

func (p *Pairer) locateByHeaders(t *Tracer, m *Message) (place, origin, *context) {
	pl := p.decide(t, m, m.Context.TraceID, true)
	o := origin{parent: m.Context.SpanID, exact: m.Context.SpanID != 0}
	if e, ok := t.Links.Get(m.Context.TraceID); ok {
		pl.sampled = e.Sampled
		if !o.exact {
			o.parent = e.ID
		}
		if o.parent == e.ID {
			o.service = e.Service
		}
	}
	return pl, o, nil
}

func (p *Pairer) locateByGlobalID(t *Tracer, m *Message, id span.TraceID) (place, origin) {
	if e, ok := t.Links.Get(id); ok {
		pl := p.decide(t, m, e.TraceID, true)
		pl.sampled = e.Sampled
		return pl, origin{parent: e.ID, service: e.Service}
	}
	pl := p.decide(t, m, id, true)
	if t.Link == LinkOpenStack {
		return pl, origin{parent: rootID(id)} // it entered by another process's calltap
	}
	return pl, origin{}
}

// locateByRequestID takes a request id for the trace id. Without a user it is work that nobody asked
// for: a heartbeat, a periodic task, or an object that keeps the id of the service's start for life and
// is now saved on a user's behalf, which only what its sender is doing can tell.
func (p *Pairer) locateByRequestID(t *Tracer, m *Message, id span.TraceID, sender processRef) (place, origin, *context) {
	if m.UserID != "" {
		pl, o := p.locateByResponse(t, m, id)
		return pl, o, nil
	}
	ctx := p.contexts.get(id, m.Time)
	if tr, o := p.adopt(m, ctx, sender); tr != nil {
		p.count.adopted.Add(1)
		return placeOf(tr), o, ctx
	}
	return p.decide(t, m, ctx.trace, false), origin{}, ctx
}

// adopt returns the user's trace that a message without a user surely belongs to, as far as the clock and its
// sender can tell: the sender was at work on that trace, and on no other, up to the moment. An id
// that was ever seen out of such work is a heartbeat's, and is never adopted.
func (p *Pairer) adopt(m *Message, ctx *context, sender processRef) (*trace, origin) {
	proc := p.processes.find(sender)
	if m.Point != Published || proc == nil {
		return nil, origin{}
	}
	last := &proc.set.last
	if m.Time-proc.set.before > adoptWithin {
		ctx.alone = true
	}
	if ctx.alone || last.parent == 0 || m.Time-last.time > adoptWithin || last.time-last.other < adoptClear {
		return nil, origin{}
	}
	tr := p.traces.get(last.trace)
	if tr == nil || !tr.user {
		return nil, origin{}
	}
	return tr, origin{parent: last.parent, service: last.service, guessed: true}
}

func (p *Pairer) decide(t *Tracer, m *Message, id span.TraceID, user bool) place {
	d := m.Context.Decision
	return place{trace: id, sampled: sampled(id, d, t.Ratio), debug: d == Debug, user: user}
}

// traceOf returns the trace at that place, made if need be.
func (p *Pairer) traceOf(pl place, now int64) *trace {
	tr := p.traces.get(pl.trace)
	if tr == nil {
		tr = p.traces.add(&p.processes, pl.trace)
		pl.settle(tr, now)
	}
	return tr
}

func placeOf(tr *trace) place {
	return place{trace: tr.id, as: tr.as, awaits: tr.awaits, sampled: tr.sampled, debug: tr.debug, user: tr.user}
}

// settle makes tr the trace at that place.
func (pl *place) settle(tr *trace, now int64) {
	tr.id, tr.as, tr.sampled, tr.debug, tr.user, tr.awaits = pl.trace, pl.as, pl.sampled, pl.debug, pl.user, pl.awaits
	if tr.as.IsZero() {
		tr.as = tr.id
	}
	if tr.awaits {
		tr.join = &join{last: now}
	}
}

// homeOf returns the trace at a place for a span that is no reason to keep it at work.
func (p *Pairer) homeOf(pl place, now int64) *trace {
	if tr := p.traces.get(pl.trace); tr != nil || pl.awaits {
		return p.traceOf(pl, now)
	}
	p.nowhere = trace{gone: true}
	pl.settle(&p.nowhere, now)
	return &p.nowhere
}

// sending is the publish of a request.
type sending struct {
	by  processRef
	id  span.ID // of the CLIENT or PRODUCER span
	seq uint64  // its order among all messages: a cause has a smaller one, so that none is its effect's effect
	at  int64
}

// cause returns the work from which a message was most likely sent: of the works of its trace that were
// going on then, the latest delivered whose receiver is surely the message's sender, else of those whose
// receiver may be. sure tells which.
func (p *Pairer) cause(tr *trace, m sending) (best *activity, sure bool) {
	if tr == nil {
		return nil, false
	}
	rank := 0
	for a := tr.work; a != nil; a = a.next {
		if a.request == m.id && a.seq != m.seq {
			return nil, false // published again, after it was forgotten: perhaps out of its own work
		}
		if a.ignored || a.seq >= m.seq || a.delivered > m.at || a.ended && a.last < m.at {
			continue
		}
		r := p.likelihood(a, m.by)
		if r > rank || r == rank && r > 0 && a.delivered > best.delivered {
			best, rank = a, r
		}
	}
	return best, rank == surely
}

// How likely it is that a message came out of a work.
const (
	never = iota
	hardly
	maybe
	surely
)

func (p *Pairer) likelihood(a *activity, sender processRef) int {
	switch p.processes.relation(sender, a.receiver) {
	case same:
		return surely
	case different:
		return never
	}
	if p.processes.relation(sender, a.sender) == same {
		return never // it would have sent the work to itself
	}
	s := p.processes.find(sender)
	switch {
	case s == nil:
		return maybe
	case s.set.label != "" && s.set.label != a.role.topic:
		return hardly // it serves something else, though a process may serve several topics
	case a.under != 0 && s.set.last.trace == a.trace.id && s.set.last.parent == a.under:
		return hardly // it was at work on what caused the work at hand, so it would have sent that to itself
	}
	return maybe
}

// causedBy notes that the work with that span id caused something.
func (p *Pairer) causedBy(tr *trace, id span.ID, now int64) {
	for a := tr.work; a != nil; a = a.next {
		if a.span == id {
			p.caused(a, now)
			return
		}
	}
}
