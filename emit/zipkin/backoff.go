package zipkin

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// backoff grows the pause between attempts from first to most, doubling. Each pause is drawn from its
// upper half, so that many calltaps in front of one Zipkin do not come back in step.
type backoff struct{ first, most time.Duration }

var defaultBackoff = backoff{first: time.Second, most: 15 * time.Second}

// mostRetryAfter bounds what a server may ask for. One that says a year is wrong, not patient.
const mostRetryAfter = 5 * time.Minute

// pause is the wait after attempt number try (from 0), at least as long as the server asks.
func (b backoff) pause(try int, asked time.Duration) time.Duration {
	d := b.most
	if try < 30 {
		d = min(b.first<<try, b.most)
	}
	d = d/2 + rand.N(d/2+1)
	return max(d, asked)
}

// retryAfter reads the header in either form, seconds or a date (RFC 9110 §10.2.3). What cannot be
// read asks for nothing.
func retryAfter(value string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, mostRetryAfter))
}
