package sampling

import (
	"math"
	"sync/atomic"
	"time"
)

// Bucket is a token bucket: it lets a number through each second, and a burst of them at once. It is one
// word, the time at which the bucket will be full again (the generic cell rate algorithm), so that asking it from
// many goroutines costs one atomic exchange.
type Bucket struct {
	step  int64        // nanoseconds that one costs
	depth int64        // nanoseconds by which full may lie ahead of now
	full  atomic.Int64 // when the bucket is full again, nanoseconds
}

// late is how much older than that of another caller a caller's time may be: it read the clock, and had to wait before it asked.
const late = int64(time.Second)

// slowest bounds what one costs, in nanoseconds: 73 years, so that no sum of times overflows.
const slowest = math.MaxInt64 / 4

// NewBucket makes a full bucket. perSecond must be above 0; burst 0 is one second's worth, at least 1.
func NewBucket(perSecond float64, burst int) *Bucket {
	if burst <= 0 {
		burst = int(math.Max(1, math.Min(perSecond, math.MaxInt32)))
	}
	step := math.Min(math.Max(1, 1e9/perSecond), slowest)
	return &Bucket{step: int64(step), depth: int64(math.Min(step*float64(burst), slowest))}
}

// Take reports whether one more may pass at now, in nanoseconds of any clock that runs forward. A clock that
// jumps back costs no more than one bucket's worth; if it did by less than a second, nothing may pass for that long.
func (b *Bucket) Take(now int64) bool {
	for {
		full := b.full.Load()
		next := max(full, now) + b.step
		if full-now > b.depth+late { // the clock jumped back
			next = now + b.step
		} else if next-now > b.depth {
			return false
		}
		if b.full.CompareAndSwap(full, next) {
			return true
		}
	}
}
