package spanbuilder

import (
	"github.com/calltap/calltap/span"
)

// resolve asks the rules at the first of: the request's delivery, when its queue is known; the end.
func (p *Pairer) resolve(t *Tracer, c *call, fault string) *label {
	if !c.label.asked {
		c.label = p.labels.get(t, c.route(), "", fault)
	}
	return c.label
}

// parentOf decides what a call hangs below, with all that is known by now: the identity of its sender may
// have come to light since it was published.
func (p *Pairer) parentOf(c *call) origin {
	if o := c.origin(); c.is(rooted) {
		o.guessed = o.guessed || c.is(rivalled)
		return o
	}
	return p.parent(c.origin(), c.work.trace, c.sending(), c.cause, c.is(rivalled))
}

// parent returns o, or the RPC span that caused m. pinned was its likeliest cause at the time, nil if none, and rivalled says
// that it was not the only one.
func (p *Pairer) parent(o origin, tr *trace, m sending, pinned *activity, rivalled bool) origin {
	if o.exact {
		return o
	}
	a, rank, rival := p.cause(tr, m)
	if pinned != nil {
		// It was the likeliest by what was going on then; only who is who can tell better now.
		if r := p.likelihood(pinned, m.by); r != never && r >= rank {
			a, rank, rival = pinned, r, rivalled
		}
	}
	if a == nil {
		o.guessed = o.guessed || rival
		return o
	}
	o = origin{parent: a.span, service: a.role.service, exact: true, guessed: o.guessed || rival || rank != surely}
	if rank == hardly {
		o.service = "" // the sender is known by another name
	}
	return o
}

// clientSpan emits the caller's side of c. end zero is unknown.
func (p *Pairer) clientSpan(t *Tracer, c *call, end int64, fault string, incomplete bool) {
	parent := p.parentOf(c)
	p.resume(c, max(end, c.lastReply(), c.begun()))
	l := p.resolve(t, c, fault)
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	begin := c.published
	s, room := p.start(l, c.work.trace)
	s.Kind, s.ID, s.Parent = span.KindClient, c.ids().id(clientDomain), parent.parent
	s.Start, s.Duration, s.Error = begin, length(begin, end), fault
	s.Local.Service = p.callerOr(c.work.sender, parent, c.route())
	s.Remote.Service = p.calleeOf(c)
	if c.seen(replyPublished) && c.seen(replyDelivered) && fault != "timeout" {
		s.Timers = room.timer("reply_wait", length(c.at(replyPublished), c.at(replyDelivered)))
	}
	s.Tags = c.tags(room)
	if parent.guessed {
		p.count.guessedParents.Add(1)
		addTag(s, "calltap.parent", "guessed")
	}
	if incomplete {
		p.count.incomplete.Add(1)
		addTag(s, "calltap.incomplete", "true")
	}
	if c.is(timedOut) && !c.seen(requestDelivered) && c.lastReply() == 0 {
		p.count.undelivered.Add(1)
		addTag(s, "rpc.undelivered", "true")
	}
	if c.is(timedOut) && c.is(mayNotReply) && c.lastReply() == 0 {
		addTag(s, "rpc.reply", "none")
	}
	if end != 0 && end == c.at(replyPublished) && !c.seen(replyDelivered) {
		addTag(s, endTag, "reply_published")
	}
	if c.is(guessed) {
		addTag(s, "calltap.pairing", "guessed")
	}
	s.Tags = c.requestStamp.tags(s.Tags)
	p.emit(t)
}

// serverSpan emits the receiver's side of c, without its end if answered is false.
func (p *Pairer) serverSpan(t *Tracer, c *call, answered bool) {
	c.flags |= serverOut
	l := p.resolve(t, c, c.fault())
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.start(l, c.work.trace)
	s.Kind, s.ID = span.KindServer, c.ids().id(serverDomain)
	parent := p.parentOf(c)
	if s.Parent = c.ids().id(clientDomain); !c.seen(requestPublished) {
		s.Parent = parent.parent // no CLIENT span will be made
	}
	delayed := false
	s.Start, delayed = c.workBegan()
	if answered {
		s.Duration, s.Error = length(s.Start, c.at(replyPublished)), c.fault()
	}
	s.Local.Service = p.calleeOf(c)
	if s.Remote.Service = p.caller(c.work.sender, parent, c.route()); s.Remote.Service == "" {
		p.nameless = remoteSide
	}
	if c.seen(requestPublished) {
		s.Echo = true
		s.Timers = room.timer("queue_wait", length(c.published, c.work.delivered))
	}
	s.Tags = c.tags(room)
	if delayed {
		addTag(s, "rpc.delayed", "true")
	}
	if l.queue != "" {
		addTag(s, "amqp.queue", l.queue)
	}
	if c.is(timedOut) && answered && !c.is(mayNotReply) {
		addTag(s, "rpc.late", "true")
		room.addNote(s, "late", c.at(replyPublished))
	}
	c.after.tell(s, room)
	switch {
	case answered:
	case !c.unansweredWork():
		p.count.incomplete.Add(1)
		addTag(s, "calltap.incomplete", "true")
	case c.work.last > c.work.delivered:
		s.Duration = length(s.Start, c.work.last)
		addTag(s, endTag, "inferred")
	}
	if c.is(guessed) {
		addTag(s, "calltap.pairing", "guessed")
	}
	s.Tags = c.workStamp.tags(s.Tags)
	p.emit(t)
}

func (p *Pairer) producerSpan(t *Tracer, m *Message, c *cast, fault string) {
	r := p.routes.get(m)
	tr := p.traces.get(c.place.trace)
	parent := p.parent(c.origin, tr, c.sending(), nil, false)
	if a := tr.workOf(parent.parent); a != nil {
		c.under = a.span
		p.caused(a, m.Time)
	} else {
		p.rootSends(tr, c.sender, m.Time, 0, 0)
	}
	p.processes.worked(c.sender, doing{trace: c.place.trace, parent: c.under, service: parent.service, time: m.Time})
	l := p.labels.get(t, r, "", fault)
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.oneWaySpan(m, l, c, r)
	s.Kind, s.ID, s.Parent, s.Error = span.KindProducer, c.ids.id(producerDomain), parent.parent, fault
	s.Notes = room.note("sent", m.Time)
	p.sentBy(s, m, c, r, parent)
	p.emit(t)
}

// mirroredClientSpan emits the caller's side of a call of which only the request can be seen.
func (p *Pairer) mirroredClientSpan(t *Tracer, m *Message, c *cast) {
	r := p.routes.get(m)
	l := p.labels.get(t, r, "", "")
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.oneWaySpan(m, l, c, r)
	s.Kind, s.ID, s.Parent = span.KindClient, c.ids.id(clientDomain), c.origin.parent
	s.Notes = room.note("sent", m.Time)
	if m.Unroutable {
		p.count.unroutable.Add(1)
		s.Error = "unroutable"
	}
	p.sentBy(s, m, c, r, c.origin)
	p.emit(t)
}

// sentBy fills in the two ends of a one-way message, seen from its sender.
func (p *Pairer) sentBy(s *span.Span, m *Message, c *cast, r *route, parent origin) {
	s.Local.Service = p.callerOr(c.sender, parent, r)
	if p.nameless == neither {
		c.caller = s.Local.Service
	}
	s.Remote.Service = p.servedBy(p.ruled, r, "", processRef{})
	if parent.guessed {
		p.count.guessedParents.Add(1)
		addTag(s, "calltap.parent", "guessed")
	}
	if m.OneSided {
		addTag(s, "calltap.mode", "mirror")
		if p.ruled != "" {
			s.Local.Service = p.ruled // no other span of this service will be made
		}
	}
}

func (p *Pairer) consumerSpan(t *Tracer, m *Message, c *cast, ids key, l *label, work *activity) {
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.oneWaySpan(m, l, c, p.routes.get(m))
	s.Kind, s.ID, s.Parent = span.KindConsumer, ids.id(consumerDomain), c.sent()
	if c.anonymous && c.published == 0 {
		s.Parent = c.origin.parent // its publish cannot be found, should it come
	}
	s.Local.Service = work.role.service
	if s.Remote.Service = c.caller; c.caller == "" {
		s.Remote.Service = p.caller(c.sender, c.origin, p.routes.get(m))
	}
	if s.Remote.Service == "" {
		p.nameless = remoteSide
	}
	s.Notes = room.note("received", m.Time)
	if c.published != 0 {
		s.Timers = room.timer("queue_wait", length(c.published, m.Time))
	}
	s.Echo = c.published != 0 || c.ofCall
	if l.queue != "" {
		addTag(s, "amqp.queue", l.queue)
	}
	switch {
	case m.Redelivered:
		tellRedelivered(s, room, m.Time)
	case m.DeadReason != "":
		tellDeadLettered(s, room, m.Time, p.texts.get(m.DeadReason), p.texts.get(m.DeadQueue))
	}
	if c.anonymous && c.published != 0 {
		p.count.guessedParents.Add(1)
		addTag(s, "calltap.parent", "guessed")
	}
	p.awaitEnd(t, work)
}

// oneWaySpan begins a span that is a moment.
func (p *Pairer) oneWaySpan(m *Message, l *label, c *cast, r *route) (*span.Span, *room) {
	s, room := p.start(l, p.homeOf(c.place, m.Time))
	p.ruled = l.service
	s.Start = m.Time
	request, _ := ParseRequestID(m.RequestID)
	s.Tags = stampOf(m).tags(room.common(r, request, m.Size, p.owners.get(m)))
	return s, room
}

// start clears p.out for the next span and gives it room for its slices, in one allocation.
func (p *Pairer) start(l *label, home *trace) (*span.Span, *room) {
	p.out = span.Span{Name: l.name, Key: l.key}
	if l.sample != nil && l.sample.Final {
		p.out.Settled, p.out.Sampled = true, l.sample.Share > 0
	}
	p.extra, p.home, p.nameless = l.extra, home, neither
	return &p.out, new(room)
}

// length is the time from a to b, zero if b is unknown. It is never zero otherwise, since that would
// mean unknown, nor negative, since clocks and the order of messages are not to be trusted that far.
func length(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return max(b-a, 1)
}
