package amqptap

import "math"

// baseline is the least of what was measured within the last 15 to 30 seconds. Two halves of that time take
// turns, so it needs no list.
type baseline struct {
	turned    int64 // when the current half began, Unix microseconds
	old, curr int64
	any       bool
}

const halfWindow = 15 * second

// add takes a value that was measured at now.
func (b *baseline) add(now, v int64) {
	switch {
	case !b.any || now-b.turned >= 2*halfWindow:
		b.any, b.turned, b.old, b.curr = true, now, math.MaxInt64, v
	case now-b.turned >= halfWindow:
		b.turned, b.old, b.curr = b.turned+halfWindow, b.curr, v
	default:
		b.curr = min(b.curr, v)
	}
}

// least is the least value. Something must have been added; if that is long ago it still holds.
func (b *baseline) least(now int64) int64 {
	if now-b.turned >= halfWindow {
		return b.curr
	}
	return min(b.old, b.curr)
}

// stray counts timestamps that are none of the clock that is followed. Those that are win against as
// many of them, so a few liars change nothing, and a clock that was set is followed soon.
type stray struct {
	late  int64 // what the last of them would mean
	votes int
}

// outvotes reports whether late is one of so many that agree.
func (s *stray) outvotes(late int64) bool {
	if s.votes > 0 && (late-s.late > strange || s.late-late > strange) {
		s.votes = 0
	}
	s.late = late
	s.votes++
	return s.votes >= outvoted
}

func (s *stray) lose() { s.votes = max(0, s.votes-1) }
