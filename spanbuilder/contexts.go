package spanbuilder

import "github.com/calltap/calltap/span"

const (
	// quiet is the gap after which a request id without a user begins a new trace. Services use one id for
	// all heartbeats of their life, and one for each run of a periodic task.
	quiet       = int64(5e6)
	maxContexts = 16384

	// flurry is how near in time two messages of one id are to be one after the other of the same work. Heartbeats
	// are seconds apart.
	flurry = int64(1e6)
)

// context is a request id without a user: work that nobody asked for.
type context struct {
	id    span.TraceID
	trace span.TraceID // of the current run
	last  int64        // when it was last seen
	sent  int64        // when a message of it was last published, zero if none was seen
	alone bool         // it was seen while its sender did nothing else: a heartbeat
	many  bool         // it was seen twice in a flurry: somebody's work
	kept  bool         // after such a flurry it came back: it is kept by what was made in that work
	lone  uint8        // since then: how often it was seen while its sender did nothing else
	amid  uint8        // and how often amid its sender's work
	newer *context
}

// publishes notes a message of c, and whether its sender did nothing else. A periodic task's id is one flurry. An id of a service's
// start is a flurry too, and comes back for life: in whatever is saved of an object made there, always amid some work, or in
// the service's heartbeats, mostly out of none.
func (c *context) publishes(now int64, alone bool) {
	switch gap := now - c.sent; {
	case c.sent == 0:
	case gap > quiet && c.many:
		c.kept = true
	case gap < flurry:
		c.many = true
	}
	c.sent = max(c.sent, now)
	switch {
	case !c.kept:
		c.alone = c.alone || alone
	case alone:
		c.lone++
	default:
		c.amid++
	}
	if c.lone == 255 || c.amid == 255 {
		c.lone, c.amid = c.lone/2, c.amid/2
	}
}

// heartbeat reports whether c is one as far as was seen. One pause is no proof against an id that is kept: its sender may have waited
// for a processor, or for an answer over HTTP, of which nothing is seen here. One in four is.
func (c *context) heartbeat() bool {
	if !c.kept {
		return c.alone
	}
	return c.lone > 0 && 4*int(c.lone) >= int(c.lone)+int(c.amid)
}

// within is how shortly before a message of c its sender must have been at work on what the message is then counted to.
func (c *context) within() int64 {
	if c.kept {
		return flurry
	}
	return adoptWithin
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
