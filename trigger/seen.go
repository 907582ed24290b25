package trigger

import (
	"sync"
	"time"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// maxSeen bounds the triggers that are remembered. At the default rate an hour's worth, which is as long as one can live, is
// 36,000.
const maxSeen = 1 << 16

// seen holds the ids of triggers that were taken, until they expire. Only triggers with a right mac come here, and only as many as
// the rate lets through are kept, so who has no key can fill nothing.
type seen struct {
	mu    sync.Mutex
	until map[span.TraceID]int64 // Unix seconds
	sweep int64                  // when the expired were last looked for
}

type taking uint8

const (
	taken taking = iota
	replayed
	refused
)

// take notes id as used until exp, if it is new, the rate allows it, and there is room.
func (s *seen) take(id span.TraceID, exp int64, now time.Time, rate *sampling.Bucket) taking {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.until[id]; ok {
		return replayed
	}
	if len(s.until) >= maxSeen/2 || now.Unix()-s.sweep > 60 {
		s.forget(now.Unix())
	}
	if len(s.until) >= maxSeen || !rate.Take(now.UnixNano()) {
		return refused
	}
	if s.until == nil {
		s.until = make(map[span.TraceID]int64)
	}
	s.until[id] = exp
	return taken
}

// forget drops what has expired, at most once a second.
func (s *seen) forget(now int64) {
	if now == s.sweep {
		return
	}
	s.sweep = now
	for id, exp := range s.until {
		if exp <= now {
			delete(s.until, id)
		}
	}
}
