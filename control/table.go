package control

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxSwitches bounds a Table.
const maxSwitches = 256

// Table holds the switches. The zero value is empty and ready; it is safe for concurrent use.
type Table struct {
	now atomic.Pointer[Snapshot]

	mu       sync.Mutex
	switches []Switch
	timer    *time.Timer // until the next switch ends
}

// Now returns what holds now, nil if nothing was changed.
func (t *Table) Now() *Snapshot { return t.now.Load() }

// Set makes a change, from the next request on. An error says what to write instead, and nothing changes.
func (t *Table) Set(s Switch) error {
	now := time.Now()
	if err := s.check(now); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(t.switches), func(o Switch) bool {
		return o.sameScope(&s) || s.Do == On && s.Site == "" && s.Key == ""
	})
	if s.Do != On {
		if len(kept) >= maxSwitches {
			return fmt.Errorf("there are %d switches already; take some back with on", maxSwitches)
		}
		s.Since = now
		kept = append(kept, s)
	}
	t.switches = kept
	t.publish(now)
	return nil
}

// List returns the switches that hold now, the oldest first.
func (t *Table) List() []Switch {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.publish(time.Now())
	return slices.Clone(t.switches)
}

// Has reports whether a switch of exactly that scope holds.
func (t *Table) Has(site, key string) bool {
	return slices.ContainsFunc(t.List(), func(s Switch) bool { return s.Site == site && s.Key == key })
}

// Close stops the timer. What holds, holds for good.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}

// publish drops what is over, makes a new Snapshot, and sees to it that the next end is not missed.
func (t *Table) publish(now time.Time) {
	var next time.Time
	t.switches = slices.DeleteFunc(t.switches, func(s Switch) bool {
		if s.Until.IsZero() {
			return false
		}
		if !s.Until.After(now) {
			return true
		}
		if next.IsZero() || s.Until.Before(next) {
			next = s.Until
		}
		return false
	})
	t.now.Store(newSnapshot(t.switches))
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	if !next.IsZero() {
		t.timer = time.AfterFunc(next.Sub(now), t.expire)
	}
}

func (t *Table) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.publish(time.Now())
}
