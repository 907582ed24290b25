package spanbuilder

// oneWay takes a cast, a fanout or a notification. Its PRODUCER span is a moment, emitted at its publish;
// each delivery is a CONSUMER below it. When the consumer's work ends cannot be seen: it stays a possible
// cause of further messages for a while.
func (p *Pairer) oneWay(t *Tracer, m *Message) {
	k := messageKey(m)
	unique := uniqueID(m.ID)
	if m.OneSided {
		p.mirrored(t, m, k, unique)
		return
	}
	sender := p.learnOneWay(m)
	var s *cast
	if m.ID != "" {
		s = p.casts.byKey[k]
	}
	if m.Point == Published {
		if s != nil && s.published != 0 && unique {
			p.again(m)
			return
		}
		p.produce(t, m, p.castOf(t, m, s, k, unique, sender))
		return
	}
	p.consume(t, m, p.castOf(t, m, s, k, unique, processRef{}), sender)
}

// castOf returns s if the message continues it, else a new cast.
func (p *Pairer) castOf(t *Tracer, m *Message, s *cast, k key, unique bool, sender processRef) *cast {
	if s != nil && (m.Point == Delivered || s.published == 0) {
		return s
	}
	if m.ID == "" {
		s = &cast{key: k, first: m.Time} // no later message could be known for this one's
	} else {
		s = p.casts.add(k, m.Time)
	}
	s.ids, s.seq, s.sender = k, p.seq, sender
	if !unique {
		s.ids = k.salted(m.Time)
		if m.ID == "" {
			s.ids = s.ids.salted(int64(p.seq))
		}
	}
	s.place, s.origin, _ = p.locate(t, m, s.ids, sender)
	return s
}

// learnOneWay joins what a one-way message shows of who is who. It returns the process at that point.
func (p *Pairer) learnOneWay(m *Message) processRef {
	conn := p.processes.connection(m.Connection, m.Time)
	if m.Point == Delivered && m.Form != FormNotification {
		if m.Form == FormFanout && m.Queue != "" && conn.known() {
			conn = p.processes.join(conn, p.processes.node(queueKey(m.VHost, m.Queue), m.Time), m.Time)
		}
		p.processes.serves(conn, p.texts.get(m.Topic))
	}
	p.processes.seen(conn, m.Time)
	return conn
}

func (p *Pairer) produce(t *Tracer, m *Message, s *cast) {
	s.published = m.Time
	switch m.Form {
	case FormCast:
		p.count.casts.Add(1)
	case FormFanout:
		p.count.fanouts.Add(1)
	default:
		p.count.notifications.Add(1)
	}
	fault := ""
	if m.Unroutable {
		p.count.unroutable.Add(1)
		fault = "unroutable"
	}
	p.producerSpan(t, m, s, fault)
}

func (p *Pairer) consume(t *Tracer, m *Message, s *cast, receiver processRef) {
	ids := s.ids.consumer(m.Queue)
	if m.Redelivered {
		p.count.redelivered.Add(1)
	}
	if uniqueID(m.ID) {
		if p.recent.has(ids) {
			if !m.Redelivered {
				p.count.duplicates.Add(1)
			}
			return
		}
		p.recent.add(ids)
	}
	if s.published == 0 {
		p.count.orphanDeliveries.Add(1)
	}
	r := p.routes.get(m)
	l := p.consumerSpan(t, m, s, ids, r)
	tr := p.traceOf(s.place)
	p.traces.begin(&p.processes, tr, &activity{
		span: ids.id(consumerDomain), request: s.ids.id(producerDomain), seq: s.seq, receiver: receiver, sender: s.sender,
		under: s.under, delivered: m.Time, last: m.Time, cast: true,
		route: r, service: servedBy(l, r.topic), ignored: l.ignore,
	})
}

// mirrored takes a request that is seen at its publish alone: nothing of it is kept open.
func (p *Pairer) mirrored(t *Tracer, m *Message, k key, unique bool) {
	if m.Point != Published {
		p.count.invalid.Add(1)
		return
	}
	if unique {
		if p.recent.has(k) {
			p.again(m)
			return
		}
		p.recent.add(k)
	}
	s := &cast{key: k, ids: k, seq: p.seq, first: m.Time}
	if !unique {
		s.ids = k.salted(m.Time).salted(int64(p.seq))
	}
	s.place, s.origin, _ = p.locate(t, m, s.ids, processRef{})
	if m.Form == FormCall {
		p.count.calls.Add(1)
		p.mirroredClientSpan(t, m, s)
		return
	}
	p.produce(t, m, s)
}
