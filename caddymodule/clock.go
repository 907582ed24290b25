package caddymodule

import "time"

// moment is a point in time on both clocks: lengths are of the monotonic one, which nobody sets.
type moment struct {
	mono time.Duration // since the process began
	wall int64         // Unix time, microseconds
}

func momentOf(t time.Time) moment { return moment{t.Sub(processBegan), t.UnixMicro()} }

// begun is when Caddy took the request, which it notes among the variables: handlers before us are in the span so, as they are in the access
// log's duration, and one reading of the clock is spared, the dearest thing that a span needs. Outside of Caddy it is now.
func begun(vars map[string]any) moment {
	if t, ok := vars[startVar].(time.Time); ok {
		return momentOf(t)
	}
	return momentOf(time.Now())
}

// startVar is what Caddy calls it (modules/caddyhttp/replacer.go).
const startVar = "start_time"

// passed is how long ago m was.
func (m moment) passed() time.Duration { return monotonic() - m.mono }

var processBegan = time.Now()

func monotonic() time.Duration { return time.Since(processBegan) }
