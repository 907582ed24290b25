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
	if c.route != nil {
		p.settleServer(t, c)
		p.settleClient(t, c)
		if c.clientOut && c.serverOut {
			p.close(c)
			return
		}
	}
	p.calls.schedule(c, p.deadlineOf(c))
}

func (p *Pairer) settleServer(t *Tracer, c *call) {
	switch {
	case c.serverOut || !c.seen(replyPublished) && !c.gaveUp:
	case c.seen(requestDelivered) && c.seen(replyPublished) && (c.seen(requestPublished) || c.gaveUp):
		p.serverSpan(t, c, true)
	case c.gaveUp && c.seen(requestDelivered):
		p.serverSpan(t, c, false)
	case c.gaveUp:
		c.serverOut = true // when it began is unknown
	}
}

func (p *Pairer) settleClient(t *Tracer, c *call) {
	end := c.times[replyDelivered]
	if end == 0 && c.direct && !p.directDelivers {
		end = c.times[replyPublished]
	}
	switch {
	case c.clientOut:
	case c.gaveUp && !c.seen(requestPublished):
		c.clientOut = true // when it began is unknown
	case end != 0 && (c.complete() || c.gaveUp):
		p.clientSpan(t, c, end, c.fault, false)
		c.clientOut = true
	}
}

// complete reports whether all but the reply's delivery was seen.
func (c *call) complete() bool {
	return c.seen(requestPublished) && c.seen(requestDelivered) && c.seen(replyPublished)
}

// deadlineOf is when a call is to be looked at again if nothing more is seen of it.
func (p *Pairer) deadlineOf(c *call) int64 {
	switch {
	case c.lastReply != 0 && !c.complete() && !c.gaveUp:
		return c.lastReply + p.opts.Reorder.Microseconds()
	case !c.timedOut:
		return c.begun() + c.timeout
	default:
		return c.begun() + c.timeout + p.opts.Linger.Microseconds()
	}
}

// begun is when the request was published, or delivered if that was not seen.
func (c *call) begun() int64 {
	if c.seen(requestPublished) {
		return c.times[requestPublished]
	}
	return c.times[requestDelivered]
}

// expire is called at a call's deadline.
func (p *Pairer) expire(t *Tracer, c *call) {
	switch {
	case c.route == nil:
		p.close(c)
	case c.lastReply != 0 && !c.complete() && !c.gaveUp:
		c.gaveUp = true
		p.settle(t, c)
	case !c.timedOut:
		p.timeOut(t, c)
	default:
		p.abandon(t, c)
	}
}

// timeOut ends the caller's side: it has given up. The receiver may still be at work.
func (p *Pairer) timeOut(t *Tracer, c *call) {
	c.timedOut = true
	switch {
	case c.clientOut:
	case c.seen(replyPublished) && c.seen(requestPublished):
		// It was answered in time; what is missing is only our view of the answer's arrival.
		p.count.lostReplies.Add(1)
		p.clientSpan(t, c, 0, c.fault, true)
	case c.seen(requestPublished):
		p.count.timeouts.Add(1)
		p.clientSpan(t, c, c.times[requestPublished]+c.timeout, "timeout", false)
	}
	c.clientOut = true
	if !c.seen(requestDelivered) || c.serverOut {
		p.close(c)
		return
	}
	p.calls.schedule(c, p.deadlineOf(c))
}

// abandon ends a call as it is.
func (p *Pairer) abandon(t *Tracer, c *call) {
	if c.seen(requestDelivered) && !c.serverOut {
		p.serverSpan(t, c, c.seen(replyPublished))
	}
	if c.seen(requestPublished) && !c.clientOut {
		end := c.times[replyDelivered]
		p.clientSpan(t, c, end, c.fault, end == 0)
	}
	p.close(c)
}

// close forgets a call, and counts what was never seen of it.
func (p *Pairer) close(c *call) {
	switch {
	case c.route == nil:
		p.count.orphanReplies.Add(1)
	case !c.seen(requestPublished):
		p.count.orphanDeliveries.Add(1)
	case c.lastReply != 0 && !c.seen(requestDelivered):
		p.count.lostDeliveries.Add(1)
	case c.seen(replyDelivered) && !c.seen(replyPublished):
		p.count.lostReplies.Add(1)
	}
	if c.salt == 0 {
		p.recent.add(c.key)
	}
	if c.context != nil {
		c.context.last = max(c.context.last, c.lastReply) // the wait for a reply is no quiet gap
	}
	p.resume(c, max(c.lastReply, c.begun()))
	if c.work != nil {
		p.traces.end(&p.processes, c.work, max(c.lastReply, c.work.delivered))
	}
	if c.trace != nil {
		c.trace.calls--
		p.traces.release(c.trace)
	}
	p.calls.remove(c)
}
