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
	if m.OneSided {
		p.mirrored(t, m, k, uniqueID(m.ID))
		return
	}
	point := requestPublished
	if m.Point == Delivered {
		point = requestDelivered
	}
	c := p.known(t, m, k, point)
	if c == nil {
		return
	}
	at := p.learnRequest(m)
	if point == requestPublished {
		c.published, c.work.sender, c.requestStamp = m.Time, at, stampOf(m)
	} else {
		c.work.delivered, c.work.receiver, c.workStamp = m.Time, at, stampOf(m)
	}
	if !c.known() {
		p.fill(t, c, m)
	}
	if point == requestPublished {
		p.published(t, c, m)
	} else {
		p.delivered(t, c, m)
	}
	p.settle(t, c)
}

// known finds or makes the call that a request belongs to. It returns nil if there is nothing to do.
func (p *Pairer) known(t *Tracer, m *Message, k key, point int) *call {
	if m.ID == "" {
		return p.inTurn(t, m, k, point)
	}
	c, unique := p.calls.get(k), uniqueID(m.ID)
	switch {
	case c == nil && unique && p.recent.has(k):
		p.afterwards(t, m, k)
		return nil
	case c == nil:
		return p.open(t, m, k)
	case c.seen(point) && (unique || point == requestDelivered):
		p.repeated(c, m)
		return nil
	case c.seen(point):
		p.count.superseded.Add(1) // the caller gave up waiting before we did
	case !c.known() && !unique:
		// A reply came before; with an id that is used again it answered an earlier use.
	default:
		return c
	}
	p.abandon(t, c)
	return p.open(t, m, k)
}

// again counts a message whose like was seen before.
func (p *Pairer) again(m *Message) {
	if m.Point == Delivered && m.Redelivered {
		p.count.redelivered.Add(1)
		return
	}
	p.count.duplicates.Add(1)
}

func (p *Pairer) open(t *Tracer, m *Message, k key) *call {
	for p.calls.full() {
		p.count.evicted.Add(1)
		p.abandon(t, p.calls.victim())
	}
	c := p.calls.add(k, laneOf(m.VHost, m.ReplyTo))
	c.work = p.works.get()
	c.work.seq = p.seq
	c.set(direct, strings.HasPrefix(m.ReplyTo, directReply))
	c.set(used, !uniqueID(m.ID))
	c.set(nameless, m.ID == "")
	c.set(replyFirst, m.Form == FormReply)
	c.set(deliveredFirst, m.Form != FormReply && m.Point == Delivered)
	return c
}

// fill keeps what the spans need of a request, at whichever of its points it is seen first.
func (p *Pairer) fill(t *Tracer, c *call, m *Message) {
	c.label = &p.routes.get(m).unasked
	c.owner = p.owners.get(m)
	c.request, _ = ParseRequestID(m.RequestID)
	c.size = int32(min(max(m.Size, 0), 1<<31-1))
	c.timeout = uint32(max(p.timeoutOf(m)/time.Millisecond, 1))
	c.set(mayNotReply, m.MayNotReply)
	pl, o, ctx := p.locate(t, m, c.ids(), c.work.sender)
	c.parent, c.service = o.parent, p.texts.ref(o.service)
	c.set(exactParent, o.exact)
	c.set(guessedTrace, o.guessed)
	c.set(nobodys, ctx != nil)
	c.work.trace = p.traceOf(pl, m.Time)
	c.work.trace.refs++
	c.work.trace.opened(1)
}

func (p *Pairer) timeoutOf(m *Message) time.Duration {
	timeout := p.opts.DefaultTimeout
	if m.Timeout > 0 {
		timeout = m.Timeout
	}
	return min(m.delay()+min(timeout, maxTimeout), maxTimeout)
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
		c.flags |= clientOut
		c.set(serverOut, !c.seen(requestDelivered))
		return
	}
	p.suspend(c, m.Time)
}

func (p *Pairer) delivered(t *Tracer, c *call, m *Message) {
	switch {
	case m.Redelivered:
		p.redelivered(c, m)
	case m.DeadReason != "":
		p.deadLettered(c, m)
	}
	if m.delay() > 0 {
		p.calls.sequel(c).notBefore = m.NotBefore
	}
	if c.label.queue == "" {
		c.label = p.labels.get(t, c.route(), p.texts.get(m.Queue), c.fault())
	}
	ids, work := c.ids(), c.work
	work.span, work.request = ids.id(serverDomain), ids.id(clientDomain)
	work.role, work.ignored = p.roles.get(c.route().topic, p.servedBy(c.label.service, c.route(), c.label.queue, work.receiver)), c.label.ignore
	if c.cause != nil {
		work.under = c.cause.span
	}
	p.tree.begin(m.Work, work)
	p.traces.begin(&p.processes, work.trace, work)
	if c.seen(replyPublished) {
		p.traces.end(&p.processes, work, c.at(replyPublished))
	}
}

// moved notes that a request went to another consumer, as the first did not acknowledge it.
func (p *Pairer) moved(c *call, m *Message) {
	conn := p.processes.connection(m.Connection, m.Time)
	p.processes.seen(conn, m.Time)
	if !c.seen(requestDelivered) || c.work.ended || c.work.trace.gone {
		return
	}
	p.processes.endWork(c.work)
	c.work.receiver = conn
	p.processes.startWork(c.work)
}

// reply takes one of the two points of a call's reply.
func (p *Pairer) reply(t *Tracer, m *Message) {
	k := messageKey(m)
	point := replyPublished
	if m.Point == Delivered {
		point = replyDelivered
	}
	c, unique := p.answeredBy(m, k, point), uniqueID(m.ID)
	switch {
	case m.OneSided:
		p.learnReply(c, m)
		return
	case c == nil && unique && p.recent.has(k):
		p.learnReply(nil, m)
		p.replyAfterwards(m, k)
		return
	case c == nil && !unique:
		p.learnReply(nil, m)
		p.count.orphanReplies.Add(1)
		return
	case c == nil:
		c = p.open(t, m, k)
	case c.seen(point):
		p.furtherReply(c, m)
		return
	}
	after := p.calls.sequel(c)
	after.times[point-replyPublished] = m.Time
	if m.Error != "" {
		after.fault = p.texts.get(m.Error)
	}
	p.learnReply(c, m)
	if point == replyPublished {
		p.answered(c, m.Time)
	}
	p.settle(t, c)
}

func (p *Pairer) answered(c *call, now int64) {
	if c.known() {
		p.count.replies.Add(1)
	}
	if c.is(timedOut) && !c.is(mayNotReply) {
		p.count.late.Add(1)
	}
	if c.seen(requestDelivered) {
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
	case c != nil && c.seen(requestDelivered) && !c.wasMoved():
		conn = p.processes.join(conn, c.work.receiver, m.Time)
	}
	p.processes.seen(conn, m.Time)
}
