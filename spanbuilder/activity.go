package spanbuilder

import "github.com/calltap/calltap/span"

// pinnedRetry is how long a cast that is over, but for a call that it caused, is left alone. Those have timeouts.
const pinnedRetry = int64(1e6)

// maxActivities is how many receivers of one trace are remembered as possible causes.
const maxActivities = 64

// activity is one process at work on one message that it received, and so the possible cause of what
// that process then publishes in the same trace.
type activity struct {
	trace     *trace
	next      *activity // of the trace, latest delivered first
	span      span.ID   // of the SERVER or CONSUMER span
	request   span.ID   // of the CLIENT or PRODUCER span above it
	seq       uint64    // of the request's first message: a cause is older than its effect
	under     span.ID   // what its request was caused by, zero if no RPC
	receiver  processRef
	sender    processRef
	delivered int64
	last      int64 // when it ended; until then when it last caused something, or may have
	held      *held // its span, while that waits for the work's end
	role      *role
	ignored   bool // a rule says that its span is not made, so nothing can hang below it

	ended bool // the reply was published, or the cast's time is over
	cast  bool
	pins  int32 // open calls that it caused
	waits int32 // those of them that it surely caused

	// Of a call, a ring of what its receiver works on; of a cast, the list by last. Nil once it ended.
	before, after *activity
}

// begin adds a to t, unless that was evicted. It is open until end.
func (s *traceTable) begin(p *processes, t *trace, a *activity) {
	a.trace = t
	if t.gone {
		return
	}
	if t.works >= maxActivities {
		s.remove(p, t.leastUseful())
	}
	a.next = t.work
	t.work = a
	t.works++
	t.refs++
	if a.cast {
		s.casts.push(a)
	} else {
		p.startWork(a)
	}
}

// end notes that the work is over. The activity stays: calls that it caused may still be open.
func (s *traceTable) end(p *processes, a *activity, now int64) {
	if a.ended || a.trace.gone {
		return
	}
	s.leave(p, a)
	a.ended, a.last = true, now
	s.release(a.trace)
}

// leave takes a out of the lists of open work.
func (s *traceTable) leave(p *processes, a *activity) {
	if a.ended {
		return
	}
	if a.cast {
		s.casts.remove(a)
	} else {
		p.endWork(a)
	}
}

// remove makes room in a crowded trace.
func (s *traceTable) remove(p *processes, a *activity) {
	t := a.trace
	at := &t.work
	for *at != a {
		at = &(*at).next
	}
	*at = a.next
	t.works--
	if !a.ended {
		s.leave(p, a)
		a.ended, a.last = true, a.delivered
		t.refs-- // the trace stays: begin is about to refer to it
	}
}

// leastUseful is the activity to give up for one more: the one that ended first, else the oldest.
func (t *trace) leastUseful() *activity {
	worst := t.work
	for a := t.work; a != nil; a = a.next {
		if a.ended || !worst.ended {
			worst = a // the list runs from latest to oldest
		}
	}
	return worst
}

// castWork lists the casts that may still cause something, by when they last did. All live equally
// long after that, so the first is the first to go.
type castWork struct{ oldest, newest *activity }

func (l *castWork) push(a *activity) {
	a.before, a.after = l.newest, nil
	if l.newest != nil {
		l.newest.after = a
	} else {
		l.oldest = a
	}
	l.newest = a
}

func (l *castWork) remove(a *activity) {
	if a.before != nil {
		a.before.after = a.after
	} else {
		l.oldest = a.after
	}
	if a.after != nil {
		a.after.before = a.before
	} else {
		l.newest = a.before
	}
	a.before, a.after = nil, nil
}

// touch notes that a caused something.
func (s *traceTable) touch(a *activity, now int64) {
	if a.ended || a.trace.gone {
		return
	}
	a.last = max(a.last, now)
	if a.cast {
		s.casts.remove(a)
		s.casts.push(a)
	}
}

// expireCasts ends the casts that caused nothing since before, save those with an open call.
func (s *traceTable) expireCasts(p *processes, before, life int64) {
	for a := s.casts.oldest; a != nil && a.last <= before; a = s.casts.oldest {
		if a.pins > 0 {
			a.last = before + pinnedRetry
			s.casts.remove(a)
			s.casts.push(a)
			continue
		}
		s.end(p, a, a.last+life)
	}
}

// startWork puts a call among those that its receiver works on.
func (s *processes) startWork(a *activity) {
	a.before, a.after = a, a
	r := s.find(a.receiver)
	if r == nil {
		return
	}
	if r.set.work == nil {
		r.set.work = newRing()
	}
	splice(r.set.work, a)
}

// endWork takes a out of its ring, which need not be found for that: the node that received it may be forgotten.
func (s *processes) endWork(a *activity) {
	if a.after == nil {
		return
	}
	a.before.after, a.after.before = a.after, a.before
	a.before, a.after = nil, nil
}

// newRing makes a ring of works, of which the first is none.
func newRing() *activity {
	head := &activity{}
	head.before, head.after = head, head
	return head
}

// only returns the single member of the ring at head, nil if there are none or more.
func (head *activity) only() *activity {
	if head == nil || head.after == head || head.after.after != head {
		return nil
	}
	return head.after
}

// mergeRings moves the members of b to a.
func mergeRings(a, b *activity) *activity {
	switch {
	case a == nil:
		return b
	case b == nil || b.after == b:
		return a
	}
	rest := b.after
	b.before.after, b.after.before = b.after, b.before
	splice(a, rest)
	return a
}

// splice makes one ring of two.
func splice(a, b *activity) {
	x, y := a.after, b.after
	a.after, y.before = y, a
	b.after, x.before = x, b
}
