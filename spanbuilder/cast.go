package spanbuilder

import "github.com/calltap/calltap/span"

// cast is a one-way message that was seen lately, kept so that its deliveries find their publish.
type cast struct {
	key       key
	ids       key // what the span ids are made of: key, or with a salt if the id is used again
	seq       uint64
	first     int64 // when it was first seen
	published int64 // zero: not seen yet
	place     place
	origin    origin
	sender    processRef
	caller    string  // service of the sender, "" if that is unknown
	under     span.ID // what caused it, zero if no RPC
	newer     *cast

	ofCall bool // it is the request of a call that is over
	taken  bool // it was delivered, or could not be

	// Of a message without id; see anonymous.go.
	anonymous bool
	gone      bool
	alike     *cast // the next of the same look
	last      *cast // of the first of a look
}

// sending is the publish of c.
func (c *cast) sending() sending {
	return sending{by: c.sender, id: c.sent(), seq: c.seq, at: c.published}
}

// sent is the id of the span of its sender.
func (c *cast) sent() span.ID {
	if c.ofCall {
		return c.ids.id(clientDomain)
	}
	return c.ids.id(producerDomain)
}

// castTable holds the casts of the last minute, the oldest out first.
type castTable struct {
	byKey          map[key]*cast
	handedOut      map[key]*cast // the last by look and queue
	oldest, newest *cast
	spare          pool[cast]
	n, max         int // n counts the list: a key that is used again has one entry in the map only
	count          *counters
}

func (s *castTable) init(limit int, c *counters) {
	s.byKey, s.handedOut = make(map[key]*cast), make(map[key]*cast)
	s.max, s.count = limit, c
}

func (s *castTable) add(c *cast) {
	s.push(c)
	s.byKey[c.key] = c
}

func (s *castTable) push(c *cast) {
	if s.n >= s.max {
		s.count.forgotten.Add(1)
		s.pop()
	}
	if s.newest != nil {
		s.newest.newer = c
	} else {
		s.oldest = c
	}
	s.newest = c
	s.n++
}

// pop forgets the oldest. Its key may be a newer cast's by now.
func (s *castTable) pop() {
	c := s.oldest
	s.oldest = c.newer
	s.n--
	if s.oldest == nil {
		s.newest = nil
	}
	if c.anonymous {
		s.unqueue(c) // a queue may remember it still, so it is not used again
		return
	}
	if s.byKey[c.key] == c {
		delete(s.byKey, c.key)
	}
	s.spare.put(c)
}

func (s *castTable) expire(before int64) {
	for s.oldest != nil && s.oldest.first <= before {
		if !s.oldest.taken && s.oldest.published != 0 {
			s.count.undelivered.Add(1)
		}
		s.pop()
	}
}

func (s *castTable) clear() {
	for s.oldest != nil {
		s.pop()
	}
	clear(s.handedOut)
}
