package amqptap

import (
	"math/rand/v2"
	"time"
)

// waits are the pauses of a tap: between attempts to connect, and between questions.
type waits struct {
	first   time.Duration // after the first failure; each further one doubles it
	longest time.Duration // also after what only an operator can mend
	healthy time.Duration // a connection that lasted as long was a good one: begin again
	asking  time.Duration // between two questions to the management API for alarms, policies, a mirror's exchanges, and unknown connections
}

var defaultWaits = waits{first: 500 * time.Millisecond, longest: 30 * time.Second, healthy: 30 * time.Second, asking: 5 * time.Second}

// backoff is the growing wait between attempts.
type backoff struct {
	waits
	failures int
}

// next is how long to wait after another failure. The second half of it is random, so that taps that
// one broker dropped do not all come back at once.
func (b *backoff) next() time.Duration {
	wait := b.longest
	if b.failures < 16 { // 2^16 times any first wait is beyond any longest one
		wait = min(b.first<<b.failures, b.longest)
	}
	b.failures++
	return wait/2 + rand.N(wait/2+1)
}

func (b *backoff) reset() { b.failures = 0 }
