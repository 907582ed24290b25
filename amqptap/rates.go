package amqptap

import (
	"sync"
	"time"
)

// rates measure events a second over the last second and the last minute. mu guards everything declared below.
type rates struct {
	mu    sync.Mutex
	at    time.Time // of the last sample
	total [61]int64 // events up to each of the last 61 samples, a second apart
	times [61]time.Time
	next  int
	n     int
}

// tick takes a sample each second.
func (r *rates) tick(now time.Time, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.at) < time.Second {
		return
	}
	r.at = now
	r.total[r.next], r.times[r.next] = total, now
	r.next = (r.next + 1) % len(r.total)
	r.n = min(r.n+1, len(r.total))
}

// Rates are events a second.
type Rates struct {
	Second float64 `json:"1s"`
	Minute float64 `json:"60s"` // or since the start, if that is less
}

func (r *rates) now() Rates {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Rates{Second: r.over(1), Minute: r.over(len(r.total) - 1)}
}

// over is the rate between the last sample and the one that many before it.
func (r *rates) over(back int) float64 {
	back = min(back, r.n-1)
	if back < 1 {
		return 0
	}
	last := (r.next - 1 + len(r.total)) % len(r.total)
	first := (last - back + len(r.total)) % len(r.total)
	seconds := r.times[last].Sub(r.times[first]).Seconds()
	return float64(r.total[last]-r.total[first]) / max(seconds, 1e-3)
}
