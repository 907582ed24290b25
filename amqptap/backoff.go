package amqptap

import (
	"math/rand/v2"
	"time"
)

// The waits between attempts to connect.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 30 * time.Second // also the wait after what only an operator can mend
	healthyTime = 30 * time.Second // a connection that lasted as long was a good one
)

// backoff is the growing wait between attempts.
type backoff struct{ attempts int }

// next is how long to wait before the next attempt: twice the last time up to longestWait, of which
// the second half is random, so that taps that one broker dropped do not all come back at once.
func (b *backoff) next() time.Duration {
	wait := longestWait
	if b.attempts < 6 { // 0.5, 1, 2, 4, 8, 16 s
		wait = firstWait << b.attempts
	}
	b.attempts++
	return wait/2 + rand.N(wait/2+1)
}

func (b *backoff) reset() { b.attempts = 0 }
