package caddymodule

import (
	"sync/atomic"
	"time"
)

// now is time.Now for half its price. That reads two clocks, the wall's and the monotonic one, which run at the same rate;
// so one of them is read, and the other counted on from when both were. A wall clock that is set is followed within epochLife.
func now() time.Time {
	if e := epoch.Load(); e != nil {
		if passed := time.Since(*e); passed >= 0 && passed < epochLife {
			return e.Add(passed)
		}
	}
	t := time.Now()
	epoch.Store(&t)
	return t
}

const epochLife = time.Second

var epoch atomic.Pointer[time.Time] // when both clocks were read
