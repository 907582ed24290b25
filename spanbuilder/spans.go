package spanbuilder

import (
	"strconv"
	"strings"

	"github.com/calltap/calltap/span"
)

// resolve asks the rules at the first of: the request's delivery, when its queue is known; the end.
func (p *Pairer) resolve(t *Tracer, c *call, fault string) label {
	if !c.label.done {
		c.label = t.label(c.route, c.queue, fault)
	}
	return c.label
}

// servedBy is the service that gets the messages of a topic.
func servedBy(l label, topic string) string {
	switch {
	case l.service != "":
		return l.service
	case topic != "":
		return topic
	}
	return "rpc"
}

func (c *call) servedBy() string { return servedBy(c.label, c.route.topic) }

// parentOf decides what a call hangs below, with all that is known by now: the identity of its sender may
// have come to light since it was published.
func (p *Pairer) parentOf(c *call) origin {
	return p.parent(c.origin, c.trace, c.sending(), c.cause)
}

// parent returns o, or the RPC span that caused m. pinned was its likeliest cause at the time, nil if none.
func (p *Pairer) parent(o origin, tr *trace, m sending, pinned *activity) origin {
	if o.exact {
		return o
	}
	a, rank := p.cause(tr, m)
	if pinned != nil {
		// It was the likeliest by what was going on then; only who is who can tell better now.
		if r := p.likelihood(pinned, m.by); r != never && r >= rank {
			a, rank = pinned, r
		}
	}
	if a == nil {
		return o
	}
	return origin{parent: a.span, service: a.role.service, exact: true, guessed: o.guessed || rank != surely}
}

// caller names the service that sent a message: the topic that its process serves, else the service of the span
// that it was sent under, "" if neither is known.
func (p *Pairer) caller(sender processRef, parent origin) string {
	if l := p.processes.label(sender); l != "" {
		return l
	}
	return parent.service
}

// callerOr is caller with a name for the unknown: the exchange, unless it is named for who listens (oslo's
// TOPIC_fanout), which would make the receiver call itself.
func (p *Pairer) callerOr(sender processRef, parent origin, exchange string) string {
	switch s := p.caller(sender, parent); {
	case s != "":
		return s
	case exchange != "" && !strings.HasSuffix(exchange, "_fanout"):
		p.nameless = localSide
		return exchange
	}
	p.nameless = localSide
	return "rpc"
}

// clientSpan emits the caller's side of c. end zero is unknown.
func (p *Pairer) clientSpan(t *Tracer, c *call, end int64, fault string, incomplete bool) {
	parent := p.parentOf(c)
	p.resume(c, max(end, c.lastReply, c.begun()))
	l := p.resolve(t, c, fault)
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	begin := c.times[requestPublished]
	s, room := p.start(l, c.trace)
	s.Kind, s.ID, s.Parent = span.KindClient, c.ids().id(clientDomain), parent.parent
	s.Start, s.Duration, s.Error = begin, length(begin, end), fault
	s.Local.Service = p.callerOr(c.sender, parent, c.route.exchange)
	s.Remote.Service = c.servedBy()
	if c.seen(replyPublished) && c.seen(replyDelivered) && fault != "timeout" {
		s.Timers = room.timer("reply_wait", length(c.times[replyPublished], c.times[replyDelivered]))
	}
	s.Tags = c.tags(room)
	if parent.guessed {
		p.count.guessedParents.Add(1)
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.parent", Value: "guessed"})
	}
	if incomplete {
		p.count.incomplete.Add(1)
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.incomplete", Value: "true"})
	}
	if fault == "timeout" && !c.seen(requestDelivered) {
		s.Tags = append(s.Tags, span.Tag{Key: "rpc.undelivered", Value: "true"})
	}
	if end != 0 && end == c.times[replyPublished] && !c.seen(replyDelivered) {
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.end", Value: "reply_published"})
	}
	p.emit(t)
}

// serverSpan emits the receiver's side of c, without its end if answered is false.
func (p *Pairer) serverSpan(t *Tracer, c *call, answered bool) {
	c.serverOut = true
	l := p.resolve(t, c, c.fault)
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.start(l, c.trace)
	s.Kind, s.ID = span.KindServer, c.ids().id(serverDomain)
	parent := p.parentOf(c)
	if s.Parent = c.ids().id(clientDomain); !c.seen(requestPublished) {
		s.Parent = parent.parent // no CLIENT span will be made
	}
	s.Start = c.times[requestDelivered]
	if answered {
		s.Duration, s.Error = length(s.Start, c.times[replyPublished]), c.fault
	}
	s.Local.Service = c.servedBy()
	if s.Remote.Service = p.caller(c.sender, parent); s.Remote.Service == "" {
		p.nameless = remoteSide
	}
	if c.seen(requestPublished) {
		s.Timers = room.timer("queue_wait", length(c.times[requestPublished], s.Start))
	}
	s.Tags = c.tags(room)
	if c.queue != "" {
		s.Tags = append(s.Tags, span.Tag{Key: "amqp.queue", Value: c.queue})
	}
	if c.timedOut && answered {
		s.Tags = append(s.Tags, span.Tag{Key: "rpc.late", Value: "true"})
	}
	if c.redelivered {
		s.Tags = append(s.Tags, span.Tag{Key: "redelivered", Value: "true"})
	}
	if !answered {
		p.count.incomplete.Add(1)
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.incomplete", Value: "true"})
	}
	p.emit(t)
}

func (p *Pairer) producerSpan(t *Tracer, m *Message, c *cast, fault string) {
	r := p.routes.get(m)
	tr := p.traces.get(c.place.trace)
	parent := p.parent(c.origin, tr, c.sending(), nil)
	if a := tr.workOf(parent.parent); a != nil {
		c.under = a.span
		p.caused(a, m.Time)
	}
	p.processes.worked(c.sender, doing{trace: c.place.trace, parent: c.under, service: parent.service, time: m.Time})
	l := t.label(r, "", fault)
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
	l := t.label(r, "", "")
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
	s.Local.Service = p.callerOr(c.sender, parent, r.exchange)
	s.Remote.Service = servedBy(label{service: p.ruled}, r.topic)
	if parent.guessed {
		p.count.guessedParents.Add(1)
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.parent", Value: "guessed"})
	}
	if m.OneSided {
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.mode", Value: "mirror"})
		if p.ruled != "" {
			s.Local.Service = p.ruled // no other span of this service will be made
		}
	}
}

func (p *Pairer) consumerSpan(t *Tracer, m *Message, c *cast, ids key, l label, work *activity) {
	if l.ignore {
		p.count.ignored.Add(1)
		return
	}
	s, room := p.oneWaySpan(m, l, c, p.routes.get(m))
	s.Kind, s.ID, s.Parent = span.KindConsumer, ids.id(consumerDomain), c.ids.id(producerDomain)
	if c.anonymous && c.published == 0 {
		s.Parent = c.origin.parent // its publish cannot be found, should it come
	}
	s.Local.Service = work.role.service
	s.Remote.Service = p.processes.label(c.sender)
	s.Notes = room.note("received", m.Time)
	if c.published != 0 {
		s.Timers = room.timer("queue_wait", length(c.published, m.Time))
	}
	if m.Queue != "" {
		s.Tags = append(s.Tags, span.Tag{Key: "amqp.queue", Value: p.texts.get(m.Queue)})
	}
	if m.Redelivered {
		s.Tags = append(s.Tags, span.Tag{Key: "redelivered", Value: "true"})
	}
	if c.anonymous && c.published != 0 {
		p.count.guessedParents.Add(1)
		s.Tags = append(s.Tags, span.Tag{Key: "calltap.parent", Value: "guessed"})
	}
	p.awaitEnd(t, work)
}

// oneWaySpan begins a span that is a moment.
func (p *Pairer) oneWaySpan(m *Message, l label, c *cast, r *route) (*span.Span, *room) {
	s, room := p.start(l, p.homeOf(c.place, m.Time))
	p.ruled = l.service
	s.Start = m.Time
	request, _ := ParseRequestID(m.RequestID)
	s.Tags = room.common(r, text(request, m.Size), request.IsZero(), p.owners.get(m))
	return s, room
}

// start clears p.out for the next span and gives it room for its slices, in one allocation.
func (p *Pairer) start(l label, home *trace) (*span.Span, *room) {
	p.out = span.Span{Name: l.name, Key: l.key}
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

// text is the request id, if any, and the size in digits, in one string.
func text(request span.TraceID, size int) string {
	var buf [RequestIDLen + 20]byte
	b := buf[:0]
	if !request.IsZero() {
		b = AppendRequestID(b, request)
	}
	return string(strconv.AppendInt(b, int64(size), 10))
}
