package emit

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// sinkhole is the cheapest emitter there is.
type sinkhole struct{}

func (sinkhole) Name() string { return "sinkhole" }
func (sinkhole) Close() error { return nil }
func (sinkhole) Emit(_ context.Context, b []span.Span) Outcome {
	return Outcome{Emitted: len(b)}
}

func TestOfferDoesNotAllocate(t *testing.T) {
	p := New(Options{Interval: time.Hour}, sinkhole{})
	s := testSpan(1)
	for range 2 { // grow both halves of the double buffer
		for range 1100 {
			p.Offer(&s)
		}
		p.move(true)
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() { p.Offer(&s) }))
	require.NoError(t, p.Close(soon(t)))
}

// A loop without pause offers faster than anything can take, and a span that is dropped costs less
// than one that is kept. So the benchmarks empty the buffer themselves before it is full.
const burst = 512

// BenchmarkOffer is what the caller pays.
func BenchmarkOffer(b *testing.B) {
	p := New(Options{Interval: time.Hour}, sinkhole{})
	s := testSpan(1)
	var n uint64
	b.ReportAllocs()
	for b.Loop() {
		n++
		s.ID = span.ID(n*0x9e3779b97f4a7c15 | 1)
		p.Offer(&s)
		if n%burst == 0 {
			b.StopTimer()
			p.move(true)
			b.StartTimer()
		}
	}
	requireNoneLost(b, p)
}

// BenchmarkOfferParallel is what all pay together: Offer, and the move to the queues.
func BenchmarkOfferParallel(b *testing.B) {
	p := New(Options{Interval: time.Hour}, sinkhole{})
	b.ReportAllocs()
	var seed atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		s := testSpan(1)
		n := seed.Add(1 << 40)
		for pb.Next() {
			n++
			s.ID = span.ID(n*0x9e3779b97f4a7c15 | 1)
			p.Offer(&s)
			if n%burst == 0 {
				p.move(true)
			}
		}
	})
	requireNoneLost(b, p)
}

func requireNoneLost(b *testing.B, p *Pipeline) {
	b.StopTimer()
	if err := p.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(100*float64(p.Status().Dropped[DroppedQueueFull])/float64(b.N), "%dropped")
	if err := p.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
