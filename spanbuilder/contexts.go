package spanbuilder

import "github.com/calltap/calltap/span"

const (
	// quiet is the gap after which a request id without a user begins a new trace. Services use one id for
	// all heartbeats of their life, and one for each run of a periodic task.
	quiet       = int64(5e6)
	maxContexts = 16384
)

// context is a request id without a user: work that nobody asked for.
type context struct {
	id    span.TraceID
	trace span.TraceID // of the current run
	last  int64        // when it was last seen
	alone bool         // it was seen while its sender did nothing else: a heartbeat
	newer *context
}

// contextTable remembers the last request ids without a user, the first come out first.
type contextTable struct {
	byID           map[span.TraceID]*context
	oldest, newest *context
}

func (s *contextTable) init() { s.byID = make(map[span.TraceID]*context) }

// get returns the context of a request id, at the run that now belongs to.
func (s *contextTable) get(id span.TraceID, now int64) *context {
	c := s.byID[id]
	switch {
	case c == nil:
		c = s.add(id)
	case now-c.last > quiet:
		k := key{id.High, id.Low}.salted(now)
		c.trace = k.trace()
	}
	c.last = max(c.last, now)
	return c
}

// seen notes that something of a request id was still going on.
func (s *contextTable) seen(id span.TraceID, now int64) {
	if c := s.byID[id]; c != nil {
		c.last = max(c.last, now)
	}
}

func (s *contextTable) add(id span.TraceID) *context {
	if len(s.byID) >= maxContexts {
		delete(s.byID, s.oldest.id)
		s.oldest = s.oldest.newer
	}
	c := &context{id: id, trace: id}
	if s.oldest == nil {
		s.oldest = c
	} else {
		s.newest.newer = c
	}
	s.newest = c
	s.byID[id] = c
	return c
}
