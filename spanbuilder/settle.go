package spanbuilder

// How a call ends. Its four points usually come in order, and each side's span is emitted with the
// message that ends it:
//
//	request published ──► request delivered ──► reply published ──► reply delivered
//	        │                    └───── SERVER ───────┘                   │
//	        └─────────────────────────── CLIENT ──────────────────────────┘
//
// Otherwise, first that holds:
//
//	reply seen, an earlier point not   wait Reorder for it, then do with what there is
//	no reply at request + timeout      CLIENT ends with error "timeout"; SERVER waits Linger for its end
//	table full, end of input           what is open is emitted without its end, tag calltap.incomplete

// settle emits what a call is ready for, and sets when to look at it again.
func (p *Pairer) settle(t *Tracer, c *call) {
	if c.known() {
		p.settleServer(t, c)
		p.settleClient(t, c)
		if c.is(clientOut) && c.is(serverOut) {
			p.close(c)
			return
		}
	}
	p.calls.schedule(c, p.deadlineOf(c))
}

func (p *Pairer) settleServer(t *Tracer, c *call) {
	switch {
	case c.is(serverOut) || !c.seen(replyPublished) && !c.is(gaveUp):
	case c.seen(requestDelivered) && c.seen(replyPublished) && (c.seen(requestPublished) || c.is(gaveUp)):
		p.serverSpan(t, c, true)
	case c.is(gaveUp) && c.seen(requestDelivered):
		p.serverSpan(t, c, false)
	case c.is(gaveUp):
		c.flags |= serverOut // when it began is unknown
	}
}

func (p *Pairer) settleClient(t *Tracer, c *call) {
	end := c.at(replyDelivered)
	if end == 0 && c.is(direct) && !p.directDelivers {
		end = c.at(replyPublished)
	}
	switch {
	case c.is(clientOut):
	case c.is(gaveUp) && !c.seen(requestPublished):
		c.flags |= clientOut // when it began is unknown
	case end != 0 && (c.complete() || c.is(gaveUp)):
		p.clientSpan(t, c, end, c.fault(), false)
		c.flags |= clientOut
	}
}

// deadlineOf is when a call is to be looked at again if nothing more is seen of it.
func (p *Pairer) deadlineOf(c *call) int64 {
	switch {
	case c.lastReply() != 0 && !c.complete() && !c.is(gaveUp):
		return c.lastReply() + p.opts.Reorder.Microseconds()
	case !c.is(timedOut):
		return c.expires()
	case c.unansweredWork():
		return max(c.expires()+p.opts.Linger.Microseconds(), c.work.last+p.opts.CastQuiet.Microseconds())
	}
	return c.expires() + p.opts.Linger.Microseconds()
}

// unansweredWork reports whether c is at a receiver that may never reply. Its work ends like that on a one-way message: some
// time after the last thing that it caused.
func (c *call) unansweredWork() bool {
	return c.is(mayNotReply) && c.seen(requestDelivered) && c.lastReply() == 0
}

// expire is called at a call's deadline.
func (p *Pairer) expire(t *Tracer, c *call) {
	switch {
	case !c.known():
		p.close(c)
	case c.lastReply() != 0 && !c.complete() && !c.is(gaveUp):
		c.flags |= gaveUp
		p.settle(t, c)
	case !c.is(timedOut):
		p.timeOut(t, c)
	case c.unansweredWork() && (c.work.pins > 0 || p.deadlineOf(c) > c.deadline):
		p.calls.schedule(c, max(p.deadlineOf(c), c.deadline+pinnedRetry))
	default:
		p.abandon(t, c)
	}
}

// timeOut ends the caller's side: it has given up. The receiver may still be at work.
func (p *Pairer) timeOut(t *Tracer, c *call) {
	c.flags |= timedOut
	switch {
	case c.is(clientOut):
	case c.seen(replyPublished) && c.seen(requestPublished):
		// It was answered in time; what is missing is only our view of the answer's arrival.
		p.count.lostReplies.Add(1)
		p.clientSpan(t, c, 0, c.fault(), true)
	case c.seen(requestPublished) && c.begun() <= p.blind:
		p.count.lostReplies.Add(1)
		p.clientSpan(t, c, 0, "", true)
	case c.seen(requestPublished) && c.is(mayNotReply):
		p.clientSpan(t, c, 0, "", false)
	case c.seen(requestPublished):
		p.count.timeouts.Add(1)
		p.clientSpan(t, c, c.expires(), "timeout", false)
	}
	c.flags |= clientOut
	if !c.seen(requestDelivered) || c.is(serverOut) {
		p.close(c)
		return
	}
	p.calls.schedule(c, p.deadlineOf(c))
}

// abandon ends a call as it is.
func (p *Pairer) abandon(t *Tracer, c *call) {
	if c.seen(requestDelivered) && !c.is(serverOut) {
		p.serverSpan(t, c, c.seen(replyPublished))
	}
	if c.seen(requestPublished) && !c.is(clientOut) {
		end := c.at(replyDelivered)
		p.clientSpan(t, c, end, c.fault(), end == 0)
	}
	p.close(c)
}

// close forgets a call, and counts what was never seen of it.
func (p *Pairer) close(c *call) {
	switch {
	case !c.known():
		p.count.orphanReplies.Add(1)
	case !c.seen(requestPublished):
		p.count.orphanDeliveries.Add(1)
	case c.lastReply() != 0 && !c.seen(requestDelivered):
		p.count.lostDeliveries.Add(1)
	case c.seen(replyDelivered) && !c.seen(replyPublished):
		p.count.lostReplies.Add(1)
	}
	if !c.is(used) {
		p.recent.add(c.key, c.lastReply() != 0 || c.is(mayNotReply))
	}
	if c.is(nobodys) {
		p.contexts.seen(c.request, c.lastReply()) // the wait for a reply is no quiet gap
	}
	p.resume(c, max(c.lastReply(), c.begun()))
	if c.seen(requestDelivered) {
		p.traces.end(&p.processes, c.work, max(c.lastReply(), c.work.delivered))
	}
	if tr := c.work.trace; tr != nil {
		tr.opened(-1)
		p.traces.release(tr)
	}
	p.calls.remove(c)
}
