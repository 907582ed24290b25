package emit

import (
	"sync"

	"github.com/calltap/calltap/span"
)

// lane keeps spans that everyone gets apart from those that only some emitters get, so that a
// batch of each is contiguous and is shared without filtering or copying.
type lane uint8

const (
	traced      lane = iota
	metricsOnly      // span.Span.Sampled is false
	tracersOnly      // span.Span.Counted: metrics emitters have had it
	lanes            // how many there are
)

// laneOf is the lane of a span.
func laneOf(s *span.Span) lane {
	switch {
	case !s.Sampled:
		return metricsOnly
	case s.Counted:
		return tracersOnly
	}
	return traced
}

// shard is a part of the buffer in front of the queues. There are several, so that the processors do
// not meet at one mutex. mu guards everything below.
type shard struct {
	mu     sync.Mutex
	closed bool
	bufs   [lanes]buffer

	_ [64]byte // keeps the next shard's mutex off this one's last cache line
}

// buffer is a lane's half of a shard: one slice is filled while the other is being emptied.
type buffer struct {
	accepted int64
	dropped  [doorReasons]int64
	spans    []span.Span
	bytes    int // estimated size of spans
	spare    []span.Span

	// Guarded by Pipeline.moving:
	most  int // spans that a swap found in it since the last tick
	quiet int // ticks in a row that it was nearly empty
}

// offer copies s in, or counts why not, and returns how many spans the shard holds now.
func (sh *shard) offer(l lane, s *span.Span, size int, valid bool, lim *limits) int {
	sh.mu.Lock()
	b := &sh.bufs[l]
	b.accepted++
	if d := sh.door(size, valid, lim); d == doorOpen {
		b.spans = append(b.spans, *s)
		b.bytes += size
	} else {
		b.dropped[d]++
	}
	n := sh.count()
	sh.mu.Unlock()
	return n
}

func (sh *shard) door(size int, valid bool, lim *limits) door {
	switch {
	case sh.closed:
		return doorClosed
	case !valid:
		return doorInvalid
	case sh.count() >= lim.shardSpans || sh.size()+size > lim.shardBytes:
		return doorFull
	}
	return doorOpen
}

func (sh *shard) count() int {
	return len(sh.bufs[traced].spans) + len(sh.bufs[metricsOnly].spans) + len(sh.bufs[tracersOnly].spans)
}

func (sh *shard) size() int {
	return sh.bufs[traced].bytes + sh.bufs[metricsOnly].bytes + sh.bufs[tracersOnly].bytes
}

// swap takes a lane's spans out and puts the empty spare in their place. The spans go back with
// giveBack when they have been copied.
func (sh *shard) swap(l lane) []span.Span {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b := &sh.bufs[l]
	full := b.spans
	b.spans, b.spare, b.bytes = b.spare, nil, 0
	return full
}

const (
	smallBuffer = 64 // spans below which a buffer is not worth giving back to the collector
	patience    = 8  // ticks that a buffer may be too large, as bursts seldom come alone
)

// giveBack makes the emptied slice the spare. It is cleared, since it would keep the strings of
// spans long gone, and shrunk if it has been far too large for a while: at once would mean to grow it
// again, in Offer, with the next burst.
func (sh *shard) giveBack(l lane, emptied []span.Span, tick bool) {
	clear(emptied)
	b := &sh.bufs[l]
	b.most = max(b.most, len(emptied))
	if tick {
		switch {
		case cap(emptied) <= smallBuffer: // which tells nothing of its twin
		case b.most >= cap(emptied)/8:
			b.quiet = 0
		case b.quiet < patience:
			b.quiet++
		default:
			emptied = make([]span.Span, 0, cap(emptied)/2)
		}
		b.most = 0
	}
	sh.mu.Lock()
	sh.bufs[l].spare = emptied[:0]
	sh.mu.Unlock()
}

// close shuts the door. What is inside stays until the next swap.
func (sh *shard) close() {
	sh.mu.Lock()
	sh.closed = true
	sh.mu.Unlock()
}

// addTo adds the shard's part to an emitter's books. The caller holds mu.
func (sh *shard) addTo(a *Account, wants [lanes]bool) {
	for l := range sh.bufs {
		if !wants[l] {
			continue
		}
		b := &sh.bufs[l]
		a.Accepted += b.accepted
		a.Queued += int64(len(b.spans))
		for d, n := range b.dropped {
			if n > 0 {
				a.Dropped[doorNames[d]] += n
			}
		}
	}
}
