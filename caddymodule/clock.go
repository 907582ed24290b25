package caddymodule

import (
	"sync/atomic"
	"time"
)

// moment is a point in time on both clocks: lengths are of the monotonic one, which nobody sets.
type moment struct {
	mono time.Duration // since the process began
	wall int64         // Unix time, microseconds
}

// now is time.Now for half its price. That reads two clocks, the wall's and the monotonic one, which run at the same rate;
// so one of them is read, and the other counted on from when both were. A wall clock that is set is followed within epochLife.
func now() moment {
	mono := monotonic()
	e := epoch.Load()
	if e == nil || uint64(mono-e.mono) >= uint64(epochLife) { // or in the future
		e = &moment{mono, time.Now().UnixMicro()}
		epoch.Store(e)
	}
	return moment{mono, e.wall + (mono - e.mono).Microseconds()}
}

// passed is how long ago m was.
func (m moment) passed() time.Duration { return monotonic() - m.mono }

const epochLife = time.Second

var (
	epoch        atomic.Pointer[moment] // when both clocks were read
	processBegan = time.Now()
)

func monotonic() time.Duration { return time.Since(processBegan) }
