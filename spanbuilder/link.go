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

// adoptWithin is how shortly before a message with a foreign id its sender must have been at work on the
// trace that the message is then counted to.
const adoptWithin = int64(100e3)

// locate finds the trace of a request, by the first of these that it carries:
//
//  1. trace headers
//  2. an OpenStack global request id, which is the trace id by which its HTTP request entered
//  3. an OpenStack request id, which the response of its HTTP request shows (join.go)
//  4. what its protocol tells of the tree of its calls (tree.go)
//  5. nothing: its sender's only open call, else a trace of its own
//
// The context is that of (3) without a user, else nil.
func (p *Pairer) locate(t *Tracer, m *Message, ids key, sender processRef) (place, origin, *context) {
	pl, o, ctx := p.locateByIDs(t, m, ids, sender)
	p.rooted(m, pl, o)
	return pl, o, ctx
}

func (p *Pairer) locateByIDs(t *Tracer, m *Message, ids key, sender processRef) (place, origin, *context) {
	global, hasGlobal := ParseRequestID(m.GlobalRequestID)
	if !m.Context.TraceID.IsZero() && !(hasGlobal && m.Context.SpanID == 0 && t.prefers(global, m.Context.TraceID)) {
		pl, o := p.locateByHeaders(t, m)
		return pl, o, nil
	}
	if hasGlobal {
		pl, o := p.locateByGlobalID(t, m, global)
		return pl, o, nil
	}
	if id, ok := ParseRequestID(m.RequestID); ok {
		return p.locateByRequestID(t, m, id, sender)
	}
	if pl, o, ok := p.locateByTree(t, m, ids, sender); ok {
		return pl, o, nil
	}
	if pl, o, ok := p.locateByCause(sender); ok {
		return pl, o, nil
	}
	p.count.unlinked.Add(1)
	return p.decide(t, m, ids.trace(), true), origin{}, nil
}

// prefers reports whether an HTTP request entered by a global request id and none by the trace that headers name without a
// span: osprofiler's name a trace of osprofiler's, which no HTTP span of ours need belong to.
func (t *Tracer) prefers(global, header span.TraceID) bool {
	if _, entered := t.Links.Get(header); entered {
		return false
	}
	_, entered := t.Links.Get(global)
	return entered || t.Link == LinkOpenStack && minted(global)
}

// locateByCause takes the one call that the sender works on for the cause, if there is exactly one.
func (p *Pairer) locateByCause(sender processRef) (place, origin, bool) {
	a := p.processes.onlyWork(sender)
	if a == nil || a.trace.gone || a.ignored {
		return place{}, origin{}, false
	}
	p.count.adopted.Add(1)
	return placeOf(a.trace), origin{parent: a.span, service: a.role.service, exact: true, guessed: true}, true
}

func (p *Pairer) locateByHeaders(t *Tracer, m *Message) (place, origin) {
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
	return pl, o
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

// adopt returns the user's trace that a message without a user most likely belongs to, as far as the clock and its
// sender can tell: of the works that the sender had and that waited for nothing, the one of which something was seen last was
// for that trace, and that was up to the moment. An id that was ever seen while its sender had nothing to do, or could only
// wait, is a heartbeat's and is never adopted, unless it is known to be kept by an object that is saved amid work.
func (p *Pairer) adopt(m *Message, ctx *context, sender processRef) (*trace, origin) {
	proc := p.processes.find(sender)
	if m.Point != Published || proc == nil {
		return nil, origin{}
	}
	last := proc.set.log.latest()
	ctx.publishes(m.Time, m.Time-proc.set.before > adoptWithin || last == nil)
	if ctx.heartbeat() || last == nil || last.parent == 0 || m.Time-last.time > ctx.within() {
		return nil, origin{}
	}
	tr := p.traces.get(last.trace)
	if tr == nil || !tr.user {
		return nil, origin{}
	}
	return tr, origin{parent: last.parent, service: last.service, exact: true, guessed: true}
}

func (p *Pairer) decide(t *Tracer, m *Message, id span.TraceID, user bool) place {
	d := m.Context.Decision
	taken := decided(id, d, t.headOf(p, m))
	return place{trace: id, sampled: taken, debug: taken && d == Debug, user: user}
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
	return place{trace: tr.id, as: tr.as(), awaits: tr.awaits, sampled: tr.sampled, debug: tr.debug, user: tr.user}
}

// settle makes tr the trace at that place.
func (pl *place) settle(tr *trace, now int64) {
	tr.id, tr.sampled, tr.debug, tr.user, tr.awaits = pl.trace, pl.sampled, pl.debug, pl.user, pl.awaits
	switch {
	case tr.awaits:
		tr.join = &join{last: now, as: pl.as}
	case !pl.as.IsZero() && pl.as != pl.trace:
		tr.join = &join{as: pl.as}
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
// going on then, the likeliest whose receiver is surely the message's sender, else of those whose
// receiver may be. rank tells which, rival whether another is as good but for the order of things.
func (p *Pairer) cause(tr *trace, m sending) (best *activity, rank int, rival bool) {
	if tr == nil {
		return nil, never, false
	}
	for a := tr.work; a != nil; a = a.next {
		if a.request == m.id && a.seq != m.seq {
			return nil, never, false // published again, after it was forgotten: perhaps out of its own work
		}
		if a.ignored || a.seq >= m.seq || a.delivered > m.at || a.ended && a.last < m.at {
			continue
		}
		r := p.likelihood(a, m.by)
		switch {
		case r > rank:
			best, rank, rival = a, r, false
		case r == rank && r > never:
			other := a
			if a.likelier(best) {
				best, other = a, best
			}
			rival = rival || other.mayGoOn()
		}
	}
	if best != nil && tr.rootSeen != 0 && p.processes.relation(m.by, tr.root) == same {
		return p.orRoot(tr, m, best, rank, rival)
	}
	return best, rank, rival
}

// orRoot decides between best and the work that no message began, which m's sender is known to do. best nil is the latter.
func (p *Pairer) orRoot(tr *trace, m sending, best *activity, rank int, rival bool) (*activity, int, bool) {
	root := rank < surely || tr.rootSeen > best.seen()
	if (tr.rootPins > 0) != (best.pins > 0) {
		root = best.pins > 0
	}
	if root {
		return nil, surely, rival || best.mayGoOn()
	}
	return best, rank, rival || tr.rootWaits == 0 && m.at-tr.rootSeen < p.opts.CastQuiet.Microseconds()
}

// rootSends notes that the work that no message began sent something, and how many replies more or less it awaits, of which so many
// for sure.
func (p *Pairer) rootSends(tr *trace, by processRef, now int64, pins, waits int32) {
	if tr == nil || !by.known() || tr.root.known() && p.processes.relation(by, tr.root) != same {
		return
	}
	tr.root, tr.rootSeen = by, max(tr.rootSeen, now)
	tr.rootPins, tr.rootWaits = max(tr.rootPins+pins, 0), max(tr.rootWaits+waits, 0)
}

// mayGoOn reports whether a is neither known to wait nor thought to be over.
func (a *activity) mayGoOn() bool { return a.waits == 0 && (!a.cast && !a.ended || a.held != nil) }

// likelier reports whether a is a likelier cause than b for all that their traffic tells: a work that awaits a reply sends
// nothing, as a rule, and of two that could, the one that just began or got an answer does.
func (a *activity) likelier(b *activity) bool {
	if (a.pins == 0) != (b.pins == 0) {
		return a.pins == 0
	}
	return a.seen() > b.seen()
}

// seen is when something was last seen of a.
func (a *activity) seen() int64 { return max(a.delivered, a.last) }

// workOf returns the activity whose span a message of tr names as its parent, nil if that is not known.
func (tr *trace) workOf(id span.ID) *activity {
	if tr == nil || id == 0 {
		return nil
	}
	for a := tr.work; a != nil; a = a.next {
		if a.span == id {
			return a
		}
	}
	return nil
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
	}
	if d := s.set.log.inTrace(a.trace.id); d != nil && a.under != 0 && d.parent == a.under {
		return hardly // it was at work on what caused the work at hand, so it would have sent that to itself
	}
	return maybe
}
