package amqptap

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/calltap/calltap/amqptap/management"
)

// Watchdog says when the tap unbinds its queue, which ends all that it costs the broker but the firehose itself; the firehose too is switched
// off if the tap had switched it on. It binds again when the cause is gone: not before pause, and not before lag and depth are at half
// of their limits. A watchdog that barks again soon after pauses twice as long each time, up to ten minutes.
//
// An alarm of the broker, for memory or disk, does the same at once, whether the watchdog is off or not; the tap learns of
// alarms from the management API alone.
type Watchdog struct {
	Off   bool           `json:"off,omitempty"`   // only alarms count. Default: false.
	Lag   caddy.Duration `json:"lag,omitempty"`   // how far the tap may be behind. Default: 5s.
	Depth float64        `json:"depth,omitempty"` // how full its queue may be, of max_length or max_bytes, 0 to 1. Default: 0.5.
	For   caddy.Duration `json:"for,omitempty"`   // for how long either. Default: 10s.
	Pause caddy.Duration `json:"pause,omitempty"` // how long it stays unbound at least. Default: 30s.
}

func (w *Watchdog) withDefaults() *Watchdog {
	var d Watchdog
	if w != nil {
		d = *w
	}
	d.Lag = cmp.Or(d.Lag, caddy.Duration(5*time.Second))
	d.Depth = cmp.Or(d.Depth, 0.5)
	d.For = cmp.Or(d.For, caddy.Duration(10*time.Second))
	d.Pause = cmp.Or(d.Pause, caddy.Duration(30*time.Second))
	return &d
}

func (w *Watchdog) check() error {
	if w == nil {
		return nil
	}
	for _, err := range []error{
		inRange("watchdog lag", time.Duration(w.Lag), 100*time.Millisecond, copyLifetime),
		inRange("watchdog depth", w.Depth, 0.01, 1),
		inRange("watchdog for", time.Duration(w.For), time.Second, time.Hour),
		inRange("watchdog pause", time.Duration(w.Pause), time.Second, time.Hour),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// longestPause is where doubling ends, unless a longer one is asked for.
const longestPause = 10 * time.Minute

// vitals are what the watchdog looks at.
type vitals struct {
	lag    time.Duration
	fill   float64 // how full the queue is, 0 to 1
	alarms []management.Alarm
}

// watchdog decides whether the tap's queue may be bound. One goroutine uses it.
type watchdog struct {
	Watchdog
	over  time.Time // since when a limit is exceeded; zero if none is
	held  bool      // it must not be bound
	since time.Time // when held last changed
	why   string    // the reason of the last time that it was held
	pause time.Duration
	trips int64
}

// observe takes the vitals at now and reports whether held changed.
func (w *watchdog) observe(now time.Time, v vitals) (changed bool) {
	if w.held {
		return w.recover(now, v)
	}
	causes, urgent := w.against(v, 1)
	switch {
	case causes == "":
		w.over = time.Time{}
		return false
	case w.over.IsZero():
		w.over = now
	}
	if !urgent && now.Sub(w.over) < time.Duration(w.For) {
		return false
	}
	w.trip(now, causes)
	return true
}

// against says which limits v exceeds, of which only the given share counts, and whether one cannot wait.
func (w *watchdog) against(v vitals, share float64) (causes string, urgent bool) {
	var all []string
	for _, a := range v.alarms {
		all = append(all, fmt.Sprintf("%s alarm of %s", a.Resource, a.Node))
	}
	urgent = len(all) > 0
	if limit := time.Duration(share * float64(w.Lag)); !w.Off && v.lag > limit {
		all = append(all, fmt.Sprintf("the tap is %s behind, above %s", v.lag.Round(time.Millisecond), limit))
	}
	if limit := share * w.Depth; !w.Off && v.fill > limit {
		all = append(all, fmt.Sprintf("the tap's queue is %.0f %% full, above %.0f %%", 100*v.fill, 100*limit))
	}
	return strings.Join(all, "; "), urgent
}

func (w *watchdog) trip(now time.Time, why string) {
	base := time.Duration(w.Pause)
	if w.trips > 0 && now.Sub(w.since) < 10*base {
		w.pause = min(2*w.pause, max(longestPause, base))
	} else {
		w.pause = base
	}
	w.trips++
	w.held, w.since, w.why, w.over = true, now, why, time.Time{}
}

// recover lets go when the pause is over and all is well with room to spare.
func (w *watchdog) recover(now time.Time, v vitals) (changed bool) {
	if now.Sub(w.since) < w.pause {
		return false
	}
	if causes, _ := w.against(v, 0.5); causes != "" {
		return false
	}
	w.held, w.since = false, now
	return true
}
