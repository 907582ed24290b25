package spanbuilder

import "github.com/calltap/calltap/span"

// oneWay takes a cast, a fanout or a notification. Its PRODUCER span is a moment, emitted at its publish;
// each delivery is a CONSUMER below it. When the consumer's work ends cannot be seen: it stays a possible
// cause of further messages for a while.
func (p *Pairer) oneWay(t *Tracer, m *Message) {
	if m.OneSided {
		p.mirrored(t, m, messageKey(m), uniqueID(m.ID))
		return
	}
	at := p.learnOneWay(m)
	if m.ID == "" {
		p.anonymous(t, m, at)
		return
	}
	k := messageKey(m)
	s := p.casts.byKey[k]
	switch {
	case m.Point == Delivered && s == nil:
		p.consume(t, m, p.addCast(t, m, k, processRef{}), at)
	case m.Point == Delivered:
		p.consume(t, m, s, at)
	case s == nil || s.published != 0 && !uniqueID(m.ID):
		p.produce(t, m, p.addCast(t, m, k, at))
	case s.published != 0:
		p.again(m)
	default:
		s.sender = at
		p.produce(t, m, s)
	}
}

func (p *Pairer) addCast(t *Tracer, m *Message, k key, sender processRef) *cast {
	ids := k
	if !uniqueID(m.ID) {
		ids = k.salted(m.Time)
	}
	s := p.casts.spare.get()
	p.fillCast(t, m, s, k, ids, sender)
	p.casts.add(s)
	return s
}

// newCast makes a cast that is not in the table by its key.
func (p *Pairer) newCast(t *Tracer, m *Message, k, ids key, sender processRef) *cast {
	s := new(cast)
	p.fillCast(t, m, s, k, ids, sender)
	return s
}

func (p *Pairer) fillCast(t *Tracer, m *Message, s *cast, k, ids key, sender processRef) {
	*s = cast{key: k, ids: ids, seq: p.seq, first: m.Time, sender: sender, anonymous: m.ID == ""}
	s.place, s.origin, _ = p.locate(t, m, ids, sender)
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
		fault, s.taken = "unroutable", true // by nobody, which is told
	}
	p.producerSpan(t, m, s, fault)
}

func (p *Pairer) consume(t *Tracer, m *Message, s *cast, receiver processRef) {
	ids := s.ids.consumer(m.Queue)
	switch {
	case m.Redelivered:
		p.count.redelivered.Add(1)
	case m.DeadReason != "":
		p.count.deadLettered.Add(1)
	}
	if m.Redelivered && p.takenUp(s, ids.id(consumerDomain), m, receiver) {
		return
	}
	if uniqueID(m.ID) {
		switch {
		case !p.recent.has(ids):
		case m.DeadReason != "" && !m.Redelivered:
			ids = ids.salted(m.Time) // it came back to the queue that it had left
		default:
			if !m.Redelivered {
				p.count.duplicates.Add(1)
			}
			return
		}
		p.recent.add(ids, false)
	}
	s.taken = true
	if s.published == 0 && !s.ofCall {
		p.count.orphanDeliveries.Add(1)
	}
	r := p.routes.get(m)
	l := p.labels.get(t, r, p.texts.get(m.Queue), "")
	a := p.works.get()
	*a = activity{
		span: ids.id(consumerDomain), request: s.sent(), seq: s.seq, receiver: receiver, sender: s.sender,
		under: s.under, delivered: m.Time, last: m.Time, cast: true,
		role: p.roles.get(r.topic, p.servedBy(l.service, r, l.queue, receiver)), ignored: l.ignore,
	}
	p.tree.begin(m.Work, a)
	tr := p.traceOf(s.place, m.Time)
	if s.under == 0 && s.published != 0 {
		p.rootSends(tr, s.sender, s.published, 0, 0) // which began the trace, perhaps
	}
	p.traces.begin(&p.processes, tr, a)
	p.consumerSpan(t, m, s, ids, l, a)
}

// takenUp notes on the span of a delivery that the same was delivered once more, if that span is there still.
func (p *Pairer) takenUp(s *cast, id span.ID, m *Message, receiver processRef) bool {
	tr := p.traces.get(s.place.trace)
	if tr == nil {
		return false
	}
	for a := tr.work; a != nil; a = a.next {
		if a.span != id {
			continue
		}
		a.receiver = receiver
		if h := a.held; h != nil {
			h.span.Tags = span.SetTag(h.span.Tags, "redelivered", "true")
			h.span.Notes = append(h.span.Notes, span.Note{Time: m.Time, Value: "redelivered"})
		}
		return true
	}
	return false
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
		p.recent.add(k, false)
	}
	ids := k
	if !unique {
		ids = k.salted(m.Time).salted(int64(p.seq))
	}
	s := p.newCast(t, m, k, ids, processRef{})
	if m.Form == FormCall {
		p.count.calls.Add(1)
		p.mirroredClientSpan(t, m, s)
		return
	}
	p.produce(t, m, s)
}
