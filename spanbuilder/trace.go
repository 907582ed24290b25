package spanbuilder

import "github.com/calltap/calltap/span"

// trace is a trace with something open in it: a call, or work that may cause further messages. There may be as many as open calls,
// so that each byte here counts too.
type trace struct {
	id      span.TraceID // by which its messages find it
	work    *activity
	join    *join // of one whose spans have, or may get, another id; see join.go
	number  uint32
	refs    int32 // open calls, activities, and held spans as one; with none, it is forgotten
	works   uint8
	sampled bool
	debug   bool
	user    bool // somebody asked for it: it is no periodic task and no loner
	gone    bool // evicted: its calls end as usual, but have no trace-mates any more
	awaits  bool // the id of its spans is not known yet
	used    bool // lately; see victim

	// The work that no message began, at the HTTP API for one, and that others of this trace came out of:
	root      processRef // who does it, nobody if none was seen
	rootSeen  int64      // when it last sent something, or got an answer
	rootPins  int32      // calls of it that are not answered
	rootWaits int32      // those of them that are surely its
}

// as is the id of its spans. It differs from id if a table told that these are one.
func (t *trace) as() span.TraceID {
	if t.join != nil && !t.join.as.IsZero() {
		return t.join.as
	}
	return t.id
}

// traceTable holds the traces at work, bounded.
type traceTable struct {
	all   []*trace // by number
	free  []uint32
	index index
	hand  int // see victim
	fresh few[trace]
	max   int
	casts castWork
	count *counters
}

func (s *traceTable) init(limit int, c *counters) { s.max, s.count = limit, c }

func (s *traceTable) keyOf(number uint32) key { return s.all[number].key() }

func (t *trace) key() key { return key{t.id.High, t.id.Low} }

// get returns the trace of that id, nil if nothing is open in it.
func (s *traceTable) get(id span.TraceID) *trace {
	number, ok := lookup(&s.index, s, key{id.High, id.Low})
	if !ok {
		return nil
	}
	t := s.all[number]
	t.used = true
	return t
}

// add makes the trace of an id for which get returned nil.
func (s *traceTable) add(p *processes, id span.TraceID) *trace {
	if s.index.n >= s.max {
		s.count.forgotten.Add(1)
		s.evict(p, s.victim())
	}
	t := s.fresh.get()
	t.id, t.used = id, true
	if n := len(s.free); n > 0 {
		t.number, s.free = s.free[n-1], s.free[:n-1]
		s.all[t.number] = t
	} else {
		t.number = uint32(len(s.all))
		s.all = append(s.all, t)
	}
	insert(&s.index, s, t.key(), t.number)
	s.count.traces.Store(int64(s.index.n))
	return t
}

// victim returns the trace to give up for one more: going round, the first that was not used since the last round. That is
// nearly the least recently used, without a list of them all.
func (s *traceTable) victim() *trace {
	for {
		t := s.all[s.hand]
		s.hand = (s.hand + 1) % len(s.all)
		switch {
		case t == nil:
		case t.used:
			t.used = false
		default:
			return t
		}
	}
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
	remove(&s.index, s, t.key())
	s.all[t.number] = nil
	s.free = append(s.free, t.number)
	s.count.traces.Store(int64(s.index.n))
}

func (s *traceTable) clear(p *processes) {
	for _, t := range s.all {
		if t != nil {
			s.evict(p, t)
		}
	}
}
