package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// How the tail of latency is measured. A slice is longer than what a tracer puts off, so that each has its share of it; its
// 99th percentile is of some thousand requests. The median over the slices leaves out those that other programs spoilt.
const (
	tailRounds = 30
	tailSlice  = 1200 * time.Millisecond
)

// tails measures the 99th percentile of latency at half the load that plain Caddy takes, of plain Caddy twice and of
// calltap, in turns like all else.
func (r *rig) tails(ctx context.Context, name string, s *httpStage) error {
	half := median(s.plain.rate) / 2
	subjects := []*subject{s.plain, s.control, s.calltap}
	p99 := make([][]float64, len(subjects)) // by round
	for range tailRounds {
		for _, i := range r.rng.Perm(len(subjects)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			x := subjects[i]
			x.thaw()
			took, err := x.load.pace(tailSlice, half)
			x.freeze()
			if err != nil {
				return err
			}
			x.requests += int64(len(took))
			p99[i] = append(p99[i], percentile(took, 0.99))
		}
	}
	base := geometric(p99[0], p99[1])
	for _, f := range []struct {
		what string
		e    estimate
		unit string
		goal goal
	}{
		{"p99 at half load, plain Caddy", scale(medianCI(p99[0], r.rng), 1e6), "us", goal{}},
		{"p99 at half load, A/A", medianCI(quotients(p99[1], p99[0]), r.rng), "ratio", goal{}},
		{"p99 at half load, calltap / plain", medianCI(quotients(p99[2], base), r.rng), "ratio", atMost(1.05, "")},
	} {
		r.board.add(figure{"http", name + ": " + f.what, f.e.median, f.unit, f.goal, f.e.String()})
	}
	return nil
}

// percentile gives seconds.
func percentile(times []time.Duration, p float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(p*float64(len(times))))].Seconds()
}

// pace sends rate requests a second for d, whether they are answered in time or not, and gives the time from when each should have
// been sent until it was answered: a proxy that stands still makes all wait that would have come meanwhile. That this program
// itself was woken late does not count.
func (l *load) pace(d time.Duration, rate float64) ([]time.Duration, error) {
	each := time.Duration(float64(len(l.conns)) / rate * float64(time.Second))
	times := make([][]time.Duration, len(l.conns))
	fails := make([]error, len(l.conns))
	var wg sync.WaitGroup
	begin := time.Now()
	for i, c := range l.conns {
		wg.Go(func() {
			due := begin.Add(each * time.Duration(i) / time.Duration(len(l.conns)))
			for ; due.Sub(begin) < d; due = due.Add(each) {
				from := due
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait)
					from = time.Now()
				}
				if fails[i] = c.roundTrip(l.request); fails[i] != nil {
					return
				}
				times[i] = append(times[i], time.Since(from))
			}
		})
	}
	wg.Wait()
	return slices.Concat(times...), errors.Join(fails...)
}
