package spanbuilder

import (
	"strings"
	"time"
)

// directReply is how RabbitMQ rewrites the reply_to of a caller that uses direct reply-to.
const directReply = "amq.rabbitmq.reply-to."

// request takes one of the two points of a call's request.
func (p *Pairer) request(t *Tracer, m *Message) {
	k := messageKey(m)
	unique := uniqueID(m.ID)
	if m.OneSided {
		p.mirrored(t, m, k, unique)
		return
	}
	point := requestPublished
	if m.Point == Delivered {
		point = requestDelivered
	}
	c := p.known(t, m, k, point, unique)
	if c == nil {
		return
	}
	sender := p.learnRequest(m)
	if point == requestPublished {
		c.sender = sender
	}
	if c.route == nil {
		p.fill(t, c, m)
	}
	c.times[point] = m.Time
	if point == requestPublished {
		p.published(t, c, m)
	} else {
		p.delivered(t, c, m, sender)
	}
	p.settle(t, c)
}

// known finds or makes the call that a request belongs to. It returns nil if there is nothing to do.
func (p *Pairer) known(t *Tracer, m *Message, k key, point int, unique bool) *call {
	c := p.calls.byKey[k]
	switch {
	case c == nil && unique && p.recent.has(k):
		p.again(m)
		return nil
	case c == nil:
		return p.open(t, m, k, unique)
	case c.seen(point) && (unique || point == requestDelivered):
		if p.again(m) {
			c.redelivered = true
			p.moved(c, m)
		}
		return nil
	case c.seen(point):
		p.count.superseded.Add(1) // the caller gave up waiting before we did
	case c.route == nil && !unique:
		// A reply came before; with an id that is used again it answered an earlier use.
	default:
		return c
	}
	p.abandon(t, c)
	return p.open(t, m, k, unique)
}

// again counts a message whose like was seen before. It reports whether the broker says why.
func (p *Pairer) again(m *Message) (redelivered bool) {
	if m.Point == Delivered && m.Redelivered {
		p.count.redelivered.Add(1)
		return true
	}
	p.count.duplicates.Add(1)
	return false
}

func (p *Pairer) open(t *Tracer, m *Message, k key, unique bool) *call {
	for p.calls.full() {
		p.count.evicted.Add(1)
		p.abandon(t, p.calls.oldest)
	}
	c := p.calls.add(k)
	c.seq, c.direct = p.seq, strings.HasPrefix(m.ReplyTo, directReply)
	if !unique {
		c.salt = m.Time
	}
	return c
}

// fill keeps what the spans need of a request, at whichever of its points it is seen first.
func (p *Pairer) fill(t *Tracer, c *call, m *Message) {
	c.route = p.routes.get(m)
	c.owner = p.owners.get(m)
	c.request, _ = ParseRequestID(m.RequestID)
	c.size = int32(min(max(m.Size, 0), 1<<31-1))
	c.timeout = p.timeoutOf(m).Microseconds()
	var pl place
	pl, c.origin, c.context = p.locate(t, m, c.ids(), c.sender)
	c.trace = p.traceOf(pl, m.Time)
	c.trace.refs++
	c.trace.calls++
}

func (p *Pairer) timeoutOf(m *Message) time.Duration {
	if m.Timeout <= 0 {
		return p.opts.DefaultTimeout
	}
	return min(m.Timeout, maxTimeout)
}

// learnRequest joins what a call's request shows of who is who. It returns the process at that point.
func (p *Pairer) learnRequest(m *Message) processRef {
	conn := p.processes.connection(m.Connection, m.Time)
	if m.Point == Published {
		if m.ReplyTo != "" && !m.ReplyElsewhere {
			reply := p.processes.replyQueue(m.VHost, m.ReplyTo, m.Time)
			if !conn.known() {
				conn = reply
			} else {
				conn = p.processes.join(conn, reply, m.Time)
			}
		}
	} else {
		p.processes.serves(conn, p.texts.get(m.Topic))
	}
	p.processes.seen(conn, m.Time)
	return conn
}

func (p *Pairer) published(t *Tracer, c *call, m *Message) {
	p.count.calls.Add(1)
	if m.Unroutable {
		p.count.unroutable.Add(1)
		p.clientSpan(t, c, 0, "unroutable", false)
		c.clientOut = true
		c.serverOut = !c.seen(requestDelivered)
		return
	}
	p.suspend(c, m.Time)
}

func (p *Pairer) delivered(t *Tracer, c *call, m *Message, receiver processRef) {
	c.queue = p.texts.get(m.Queue)
	if m.Redelivered {
		p.count.redelivered.Add(1)
		c.redelivered = true
	}
	l := p.resolve(t, c, c.fault)
	ids := c.ids()
	c.work = &activity{
		span: ids.id(serverDomain), request: ids.id(clientDomain), seq: c.seq, receiver: receiver, sender: c.sender,
		delivered: m.Time, role: p.roles.get(c.route.topic, c.servedBy()), ignored: l.ignore,
	}
	if c.cause != nil {
		c.work.under = c.cause.span
	}
	p.traces.begin(&p.processes, c.trace, c.work)
	if c.seen(replyPublished) {
		p.traces.end(&p.processes, c.work, c.times[replyPublished])
	}
}

// moved notes that a request went to another consumer, as the first did not acknowledge it.
func (p *Pairer) moved(c *call, m *Message) {
	conn := p.processes.connection(m.Connection, m.Time)
	p.processes.seen(conn, m.Time)
	if c.work == nil || c.work.ended || c.work.trace.gone {
		return
	}
	p.processes.endWork(c.work)
	c.work.receiver = conn
	p.processes.startWork(c.work)
}

// reply takes one of the two points of a call's reply.
func (p *Pairer) reply(t *Tracer, m *Message) {
	k := messageKey(m)
	c := p.calls.byKey[k]
	unique := uniqueID(m.ID)
	switch {
	case m.OneSided || c == nil && unique && p.recent.has(k):
		p.learnReply(c, m)
		return
	case c == nil && !unique:
		p.learnReply(nil, m)
		p.count.orphanReplies.Add(1)
		return
	case c == nil:
		c = p.open(t, m, k, unique)
	}
	point := replyPublished
	if m.Point == Delivered {
		point = replyDelivered
	}
	if c.seen(point) {
		p.again(m)
		return
	}
	c.times[point] = m.Time
	c.lastReply = m.Time
	if m.Error != "" {
		c.fault = p.texts.get(m.Error)
	}
	p.learnReply(c, m)
	if point == replyPublished {
		p.answered(c, m.Time)
	}
	p.settle(t, c)
}

func (p *Pairer) answered(c *call, now int64) {
	if c.route != nil {
		p.count.replies.Add(1)
	}
	if c.timedOut {
		p.count.late.Add(1)
	}
	if c.work != nil {
		p.traces.end(&p.processes, c.work, now)
	}
}

// learnReply joins what a reply shows of who is who. c may be nil.
func (p *Pairer) learnReply(c *call, m *Message) {
	conn := p.processes.connection(m.Connection, m.Time)
	switch {
	case m.Point == Delivered:
		if strings.HasPrefix(m.ReplyTo, directReply) {
			p.directDelivers = true
		}
		conn = p.processes.join(conn, p.processes.replyQueue(m.VHost, m.ReplyTo, m.Time), m.Time)
	case c != nil && c.work != nil && !c.redelivered:
		conn = p.processes.join(conn, c.work.receiver, m.Time)
	}
	p.processes.seen(conn, m.Time)
}
