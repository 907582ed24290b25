package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

// swallow is an emitter that takes everything at no cost.
type swallow struct{}

func (swallow) Name() string { return "swallow" }
func (swallow) Close() error { return nil }
func (swallow) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	return emit.Outcome{Emitted: len(batch)}
}

// benchQueue measures the offer to the pipeline, alone and from all processors at once. It is timed
// in bursts that the queue can hold, since a full queue takes another way.
func benchQueue(ctx context.Context, r *rig) error {
	p := emit.New(emit.Options{}, swallow{})
	defer func() { _ = p.Close(ctx) }()
	for _, v := range []struct {
		name    string
		workers int
	}{{"queue offer", 1}, {"queue offer, parallel", runtime.GOMAXPROCS(0)}} {
		ns, allocs, err := timeOffers(ctx, p, v.workers)
		if err != nil {
			return err
		}
		r.board.add(figure{"inproc", v.name, ns, "ns", goal{}, fmt.Sprintf("%.3f allocs; %d goroutines, time of all by span", allocs, v.workers)})
	}
	if s := p.Status(); s.Emitted != s.Accepted {
		return fmt.Errorf("the queue lost spans: %+v", s)
	}
	return nil
}

func timeOffers(ctx context.Context, p *emit.Pipeline, workers int) (ns, allocs float64, err error) {
	const each, rounds = 4000, 60
	var times, counts []float64
	for range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				s := exampleSpan()
				for range each {
					s.ID = span.ID(rand.Uint64())
					p.Offer(s)
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		n := float64(each * workers)
		times = append(times, float64(took.Nanoseconds())/n)
		counts = append(counts, float64(after.Mallocs-before.Mallocs)/n)
		if err := p.Flush(ctx); err != nil {
			return 0, 0, err
		}
	}
	return median(times), median(counts), nil
}
