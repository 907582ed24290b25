package caddymodule

import (
	"sync/atomic"
	"time"
)

// seldom is for what anyone can cause and the log should tell: the first time at once, then at most once a minute, with the number of times
// since it was last told. The zero value is ready; it is safe for concurrent use.
type seldom struct {
	next atomic.Int64 // when it may be told again, Unix seconds
	n    atomic.Int64 // since it was last told
}

const seldomPause = 60 // seconds

// due counts one, and reports whether it is to be told now, as the last of n.
func (s *seldom) due() (n int64, now bool) {
	s.n.Add(1)
	seconds := time.Now().Unix()
	next := s.next.Load()
	if seconds < next || !s.next.CompareAndSwap(next, seconds+seldomPause) {
		return 0, false
	}
	return s.n.Swap(0), true
}
