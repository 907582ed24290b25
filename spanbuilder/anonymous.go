package spanbuilder

// Calls without an id are told apart by the order of their messages. Of those that are open towards one reply address, a delivery is of the
// first that was not delivered, and a reply of the first that has none: a queue hands out messages as it got them, and most
// who call so have one call open at a time, or one worker. With several open it is a guess, and tagged as one.

// inTurn finds or makes the call that a request without an id belongs to.
func (p *Pairer) inTurn(t *Tracer, m *Message, k key, point int) *call {
	first := p.calls.get(k)
	if point == requestDelivered {
		if m.Redelivered || m.DeadReason != "" {
			if c := p.calls.last(first, requestDelivered); c != nil {
				p.repeated(c, m)
				return nil
			}
		}
		if c := p.calls.first(first, point); c != nil {
			return c
		}
	} else if c := p.calls.first(first, point); c != nil && m.Time-c.begun() < p.opts.Reorder.Microseconds() {
		return c // its delivery was shown before its publish
	}
	if p.calls.alike(first) >= maxAlike {
		p.count.superseded.Add(1)
		p.abandon(t, first)
	}
	c := p.open(t, m, k)
	if first = p.calls.get(k); first != c {
		c.flags |= guessed
		first.flags |= guessed
	}
	return c
}

// answeredBy returns the call that a reply answers, nil if it is not open.
func (p *Pairer) answeredBy(m *Message, k key, point int) *call {
	c := p.calls.get(k)
	if m.ID != "" || c == nil {
		return c
	}
	for x := c; x != nil; x = p.calls.next(x) {
		if !x.seen(point) && !x.is(timedOut) {
			return x
		}
	}
	if x := p.calls.first(c, point); x != nil {
		return x
	}
	return c
}

// One-way messages without any id are told apart by what they look like, and their deliveries are matched in
// order: a queue hands out messages as it got them, so its next delivery of one look is of the earliest such
// publish that it has not handed out yet. That is a guess, and tagged as one: a message that expired, or a backlog from
// before the start, shifts it until the queue is empty once.

// anonymousKey is the look of a message.
func anonymousKey(m *Message) key {
	var h hasher
	for _, s := range [...]string{m.VHost, m.Exchange, m.RoutingKey, m.Namespace, m.Method, m.RequestID} {
		h.text(s)
	}
	h.word(uint64(m.Size))
	h.word(m.Context.TraceID.Low)
	h.word(uint64(m.Context.SpanID))
	return h.sum()
}

// anonymous takes a one-way message without an id.
func (p *Pairer) anonymous(t *Tracer, m *Message, at processRef) {
	k := anonymousKey(m)
	if m.Point == Published {
		s := p.newCast(t, m, k, k.salted(m.Time).salted(int64(p.seq)), at)
		if !m.Unroutable {
			p.casts.queue(s)
		}
		p.produce(t, m, s)
		return
	}
	if m.Redelivered {
		p.count.redelivered.Add(1)
		return // of what was delivered here before
	}
	s := p.casts.handOut(k, k.consumer(m.Queue))
	if s == nil {
		s = p.newCast(t, m, k, k.salted(m.Time).salted(int64(p.seq)), processRef{})
	}
	p.consume(t, m, s, at)
}

// queue appends a cast to those of its look.
func (s *castTable) queue(c *cast) {
	s.push(c)
	head := s.byKey[c.key]
	if head == nil {
		c.last = c
		s.byKey[c.key] = c
		return
	}
	head.last.alike = c
	head.last = c
}

// handOut returns the earliest cast of a look that a queue did not hand out yet, nil if there is none.
func (s *castTable) handOut(look, queue key) *cast {
	next := s.byKey[look]
	if before := s.handedOut[queue]; before != nil && !before.gone {
		next = before.alike
	}
	if next != nil {
		if len(s.handedOut) >= s.max {
			clear(s.handedOut)
		}
		s.handedOut[queue] = next
	}
	return next
}

// unqueue forgets the first cast of its look.
func (s *castTable) unqueue(c *cast) {
	c.gone = true
	if c.alike == nil {
		delete(s.byKey, c.key)
		return
	}
	c.alike.last = c.last
	s.byKey[c.key] = c.alike
	c.alike = nil // or a queue that is read no more would keep all that follow
}
