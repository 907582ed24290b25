package spanbuilder

// What is seen of a call once more, or after its end.

// repeated notes a request at a point where it was seen before.
func (p *Pairer) repeated(c *call, m *Message) {
	switch {
	case m.Point != Delivered:
		p.count.duplicates.Add(1)
	case m.Redelivered:
		p.redelivered(c, m)
		p.moved(c, m)
	case m.DeadReason != "":
		p.deadLettered(c, m)
		p.moved(c, m)
	default:
		p.count.duplicates.Add(1)
	}
}

func (p *Pairer) redelivered(c *call, m *Message) {
	p.count.redelivered.Add(1)
	p.calls.sequel(c).redelivered = m.Time
}

// deadLettered notes that a request came out of the queue to which the broker moved it. Its caller knows nothing of that.
func (p *Pairer) deadLettered(c *call, m *Message) {
	p.count.deadLettered.Add(1)
	after := p.calls.sequel(c)
	after.deadAt, after.deadReason, after.deadQueue = m.Time, p.texts.get(m.DeadReason), p.texts.get(m.DeadQueue)
}

// wasMoved reports whether more than one consumer may have got the request.
func (c *call) wasMoved() bool {
	return c.after != nil && (c.after.redelivered != 0 || c.after.deadAt != 0)
}

// afterwards takes a request whose call is over. One that was dead-lettered is most often so: it expired when its caller
// gave up. Who takes it up then shows as a CONSUMER below the caller's span.
func (p *Pairer) afterwards(t *Tracer, m *Message, k key) {
	if m.Point != Delivered || m.Redelivered || m.DeadReason == "" {
		p.again(m)
		return
	}
	at := p.learnRequest(m)
	s := p.newCast(t, m, k, k, processRef{})
	s.ofCall = true
	p.consume(t, m, s, at)
}

// furtherReply takes a reply to a call that had one at that point.
func (p *Pairer) furtherReply(c *call, m *Message) {
	switch {
	case m.Point == Published:
		p.count.extraReplies.Add(1)
		c.after.extra++
	case !m.Redelivered && c.after.extra > 0:
		c.after.extra--
	default:
		p.again(m)
	}
}

// replyAfterwards counts a reply to a call that is over.
func (p *Pairer) replyAfterwards(m *Message, k key) {
	switch {
	case m.Point != Published:
	case p.recent.answer(k):
		p.count.late.Add(1)
	default:
		p.count.extraReplies.Add(1)
	}
}

// heartbeat takes a "still working", which ends nothing.
func (p *Pairer) heartbeat(m *Message) {
	p.count.heartbeats.Add(1)
	c := p.answeredBy(m, messageKey(m), replyPublished)
	if c == nil || m.Point != Published || m.OneSided {
		return
	}
	p.learnReply(c, m)
	after := p.calls.sequel(c)
	after.beat = m.Time
	after.beats++
}
