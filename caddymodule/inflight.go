package caddymodule

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// inFlight counts the requests that hold on to a configuration.
type inFlight struct {
	n        atomic.Int64
	draining atomic.Bool
	idle     chan struct{}
	once     sync.Once
}

func (f *inFlight) enter() { f.n.Add(1) }

func (f *inFlight) leave() {
	if f.n.Add(-1) == 0 && f.draining.Load() {
		f.poke()
	}
}

func (f *inFlight) channel() chan struct{} {
	f.once.Do(func() { f.idle = make(chan struct{}, 1) })
	return f.idle
}

func (f *inFlight) poke() {
	select {
	case f.channel() <- struct{}{}:
	default:
	}
}

// wait returns when there has been no request for the time linger, at the latest after limit.
func (f *inFlight) wait(limit, linger time.Duration) {
	f.draining.Store(true)
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		if f.n.Load() == 0 {
			if f.quiet(linger) {
				return
			}
			continue
		}
		select {
		case <-f.channel():
		case <-deadline.C:
			return
		}
	}
}

// quiet waits for linger and reports whether no request came or went meanwhile.
func (f *inFlight) quiet(linger time.Duration) bool {
	if linger == 0 {
		return true
	}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-f.channel():
	case <-timer.C:
	}
	return f.n.Load() == 0
}

// background runs what must not hold up a reload, and lets the exiting process wait for it.
var background releases

type releases struct{ wg sync.WaitGroup }

func (b *releases) run(f func()) { b.wg.Go(f) }

// waitForReleases is called by Caddy when the process exits.
func waitForReleases(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		background.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(exitReleases)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}
