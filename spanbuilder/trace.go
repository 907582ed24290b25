package spanbuilder

import "github.com/calltap/calltap/span"

// trace is a trace with something open in it: a call, or work that may cause further messages.
type trace struct {
	id         span.TraceID // by which its messages find it
	as         span.TraceID // of its spans; differs from id if a table told that these are one
	sampled    bool
	debug      bool
	user       bool  // somebody asked for it: it is no periodic task and no loner
	gone       bool  // evicted: its calls end as usual, but have no trace-mates any more
	awaits     bool  // its as is not known yet; see join.go
	refs       int32 // open calls, activities, and held spans as one; with none, it is forgotten
	calls      int32 // that are open
	works      int32
	work       *activity
	join       *join  // of one that awaits, or did
	prev, next *trace // by last use
}

// traceTable holds the traces at work, bounded, least recently used out first.
type traceTable struct {
	byID           map[span.TraceID]*trace
	oldest, newest *trace
	max            int
	casts          castWork
	count          *counters
}

func (s *traceTable) init(limit int, c *counters) {
	s.byID, s.max, s.count = make(map[span.TraceID]*trace), limit, c
}

// get returns the trace of that id, nil if nothing is open in it.
func (s *traceTable) get(id span.TraceID) *trace {
	t := s.byID[id]
	if t != nil && s.newest != t {
		s.unlink(t)
		s.link(t)
	}
	return t
}

// add makes the trace of an id for which get returned nil.
func (s *traceTable) add(p *processes, id span.TraceID) *trace {
	if len(s.byID) >= s.max {
		s.count.forgotten.Add(1)
		s.evict(p, s.oldest)
	}
	t := &trace{id: id, as: id}
	s.byID[id] = t
	s.link(t)
	s.count.traces.Store(int64(len(s.byID)))
	return t
}

// release drops one reference to a trace, and forgets the trace with the last.
func (s *traceTable) release(t *trace) {
	t.refs--
	if t.refs > 0 || t.gone {
		return
	}
	s.drop(t)
}

// evict forgets a trace in which something is still open.
func (s *traceTable) evict(p *processes, t *trace) {
	for a := t.work; a != nil; a = a.next {
		s.leave(p, a)
	}
	s.drop(t)
}

func (s *traceTable) drop(t *trace) {
	for a := t.work; a != nil; {
		a, a.next = a.next, nil // what remembers one of them must not keep them all
	}
	t.gone, t.work, t.works = true, nil, 0
	delete(s.byID, t.id)
	s.unlink(t)
	s.count.traces.Store(int64(len(s.byID)))
}

func (s *traceTable) clear(p *processes) {
	for s.oldest != nil {
		s.evict(p, s.oldest)
	}
}

func (s *traceTable) link(t *trace) {
	t.prev, t.next = s.newest, nil
	if s.newest != nil {
		s.newest.next = t
	} else {
		s.oldest = t
	}
	s.newest = t
}

func (s *traceTable) unlink(t *trace) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		s.oldest = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		s.newest = t.prev
	}
	t.prev, t.next = nil, nil
}
