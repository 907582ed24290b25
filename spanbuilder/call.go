package spanbuilder

import (
	"slices"

	"github.com/calltap/calltap/span"
)

// The four points of a call.
const (
	requestPublished = iota
	requestDelivered
	replyPublished
	replyDelivered
	points
)

// call is one RPC that expects a reply, from its first message to its last. It keeps nothing of the
// messages' buffers.
type call struct {
	key     key
	seq     uint64
	times   [points]int64 // zero: not seen
	route   *route        // nil until a part of the request was seen
	queue   string
	fault   string
	owner   *owner
	request span.TraceID // the request id, zero if it has none
	timeout int64        // µs

	trace   *trace
	origin  origin
	cause   *activity // the likeliest at publish time, pinned
	work    *activity // the receiver's
	context *context  // of a request id without user
	sender  processRef
	label   label
	text    string // of the tags that are not kept as text

	salt         int64 // sets the uses of an id apart; zero if nobody uses it again
	lastReply    int64 // when any of the reply was last seen
	deadline     int64
	older, newer *call // by first message
	place        int32 // in the heap, -1 if not there
	size         int32
	clientOut    bool // the CLIENT span was emitted, or never will be
	serverOut    bool
	timedOut     bool
	gaveUp       bool // on points that should have been seen before the reply
	redelivered  bool
	waiting      bool // its caller awaits the reply
	direct       bool // the reply goes to RabbitMQ's direct reply-to
}

// ids is what the span ids are made of.
func (c *call) ids() key {
	if c.salt == 0 {
		return c.key
	}
	return c.key.salted(c.salt)
}

func (c *call) seen(point int) bool { return c.times[point] != 0 }

// sending is the publish of c, or its delivery if that is all that was seen.
func (c *call) sending() sending {
	return sending{by: c.sender, id: c.ids().id(clientDomain), seq: c.seq, at: c.begun()}
}

// callTable holds the open calls: by key, by age and by deadline. It never holds more than max; the
// structs of ended calls are used again.
type callTable struct {
	byKey          map[key]*call
	oldest, newest *call
	deadlines      []*call // a heap: the earliest first
	free           *call
	max            int
	count          *counters
}

func (s *callTable) init(limit int, c *counters) {
	s.byKey, s.max, s.count = make(map[key]*call), limit, c
}

func (s *callTable) full() bool { return len(s.byKey) >= s.max }

// callChunk calls are allocated at a time.
const callChunk = 64

func (s *callTable) add(k key) *call {
	if s.free == nil {
		chunk := make([]call, callChunk)
		for i := range chunk {
			chunk[i].newer, s.free = s.free, &chunk[i]
		}
	}
	c := s.free
	s.free = c.newer
	*c = call{key: k, place: -1, older: s.newest}
	if s.newest != nil {
		s.newest.newer = c
	} else {
		s.oldest = c
	}
	s.newest = c
	s.byKey[k] = c
	s.count.open.Store(int64(len(s.byKey)))
	return c
}

func (s *callTable) remove(c *call) {
	delete(s.byKey, c.key)
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		s.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		s.newest = c.older
	}
	s.schedule(c, 0)
	*c = call{newer: s.free}
	s.free = c
	s.count.open.Store(int64(len(s.byKey)))
}

// due returns the call with the earliest deadline if that is not after now.
func (s *callTable) due(now int64) *call {
	if len(s.deadlines) == 0 || s.deadlines[0].deadline > now {
		return nil
	}
	return s.deadlines[0]
}

// schedule sets when due returns c; zero is never.
func (s *callTable) schedule(c *call, deadline int64) {
	c.deadline = deadline
	switch {
	case deadline == 0 && c.place < 0:
	case deadline == 0:
		i, last := int(c.place), len(s.deadlines)-1
		s.swap(i, last)
		s.deadlines = slices.Delete(s.deadlines, last, last+1)
		c.place = -1
		if i < last {
			s.fix(i)
		}
	case c.place < 0:
		c.place = int32(len(s.deadlines))
		s.deadlines = append(s.deadlines, c)
		s.fix(int(c.place))
	default:
		s.fix(int(c.place))
	}
}

func (s *callTable) swap(i, j int) {
	h := s.deadlines
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i), int32(j)
}

// fix moves the call at i to where the heap wants it. Calls of one timeout come in order, so the
// usual way is not to move at all.
func (s *callTable) fix(i int) {
	h := s.deadlines
	for i > 0 && h[i].deadline < h[(i-1)/2].deadline {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].deadline < h[least].deadline {
				least = child
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}
