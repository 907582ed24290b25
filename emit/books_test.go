package emit

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func requireBalance(t testing.TB, st Status) {
	t.Helper()
	var sum Status
	for _, a := range append(st.Emitters, Account{Accepted: st.Accepted, Emitted: st.Emitted, Queued: st.Queued, Dropped: st.Dropped}) {
		var dropped int64
		for _, n := range a.Dropped {
			dropped += n
		}
		if a.Accepted != a.Emitted+a.Queued+dropped || a.Queued < 0 {
			t.Fatalf("the books of %q do not balance: %+v", a.Name, a)
		}
		if a.Name != "" {
			sum.Accepted += a.Accepted
			sum.Emitted += a.Emitted
			sum.Queued += a.Queued
		}
	}
	require.Equal(t, []int64{sum.Accepted, sum.Emitted, sum.Queued}, []int64{st.Accepted, st.Emitted, st.Queued})
}

// The hammer: many goroutines offer good, poisoned and unsampled spans to emitters that are slow, that
// fail, lie and panic, while others read the books. Every reading must balance.
func TestBooksBalanceAtAnyMoment(t *testing.T) {
	var readings atomic.Int64
	emitters := []Emitter{
		&probe{name: "good"},
		&probe{name: "counts", unsampled: true},
		&probe{name: "slow", emit: func(ctx context.Context, b []span.Span) Outcome {
			until := readings.Load() + 20
			for readings.Load() < until && ctx.Err() == nil {
				runtime.Gosched()
			}
			return Outcome{Emitted: len(b)}
		}},
		&probe{name: "failing", emit: func(_ context.Context, b []span.Span) Outcome {
			return Outcome{Emitted: len(b) / 2, Dropped: map[string]int{"rejected": len(b) - len(b)/2}, Err: errors.New("no")}
		}},
		&probe{name: "panics", emit: func(context.Context, []span.Span) Outcome { panic("boom") }},
		&probe{name: "lies", emit: func(_ context.Context, b []span.Span) Outcome {
			return Outcome{Emitted: rand.IntN(3*len(b)) - len(b), Dropped: map[string]int{"x": -3, "y": len(b)}}
		}},
	}
	const bound = 8000
	p := New(Options{MaxSpans: bound, Interval: time.Millisecond}, emitters...)

	const offerers, each = 4, 20_000
	var good, poisoned, unsampled atomic.Int64
	var offering, reading sync.WaitGroup
	for g := range offerers {
		offering.Go(func() {
			for i := range each {
				s := testSpan(g*each + i)
				switch i % 10 {
				case 0:
					s.Start = 0
					poisoned.Add(1)
				case 1, 2, 3:
					s.Sampled = false
					unsampled.Add(1)
				default:
					good.Add(1)
				}
				p.Offer(&s)
				if i%100 == 0 {
					runtime.Gosched() // so that some are sent and some are dropped
				}
			}
		})
	}
	stop := make(chan struct{})
	reading.Go(func() {
		var last Status
		for {
			st := p.Status()
			requireBalance(t, st)
			require.GreaterOrEqual(t, st.Accepted, last.Accepted)
			require.GreaterOrEqual(t, st.Emitted, last.Emitted)
			for _, a := range st.Emitters {
				require.LessOrEqual(t, a.Queued, int64(bound), a.Name)
			}
			last = st
			readings.Add(1)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	offering.Wait()
	require.NoError(t, p.Flush(soon(t)))
	require.NoError(t, p.Close(soon(t)))
	close(stop)
	reading.Wait()

	st := p.Status()
	requireBalance(t, st)
	require.Zero(t, st.Queued)
	for i, a := range st.Emitters {
		want := good.Load() + poisoned.Load()
		if a.Name == "counts" {
			want += unsampled.Load()
		}
		require.Equal(t, want, a.Accepted, a.Name)
		require.Equal(t, poisoned.Load(), a.Dropped[DroppedInvalid], a.Name)
		in := emitters[i].(*probe).spans()
		full := a.Dropped[DroppedQueueFull]
		require.EqualValues(t, a.Accepted-poisoned.Load()-full, len(in), "%s was given what the books say", a.Name)
	}
	require.Zero(t, st.Emitters[4].Emitted)
	t.Logf("%d readings balanced; %d emitters: %d spans accepted, %d emitted, dropped %v",
		readings.Load(), len(emitters), st.Accepted, st.Emitted, st.Dropped)
}

func TestQueuedIsWhatLiesInBufferQueueAndHands(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{Interval: time.Hour}, e)
	offerN(p, 0, 10)
	require.EqualValues(t, 10, p.Status().Queued, "in the buffer")
	p.move(true)
	<-entered
	require.EqualValues(t, 10, p.Status().Queued, "in the emitter's hands")
	offerN(p, 10, 5)
	p.move(true)
	offerN(p, 15, 1)
	require.EqualValues(t, 16, p.Status().Queued, "in all three")
	release()
	require.NoError(t, p.Flush(soon(t)))
	require.Zero(t, p.Status().Queued)
	require.NoError(t, p.Close(soon(t)))
}

func TestForgetfulEmitterCannotUnbalanceTheBooks(t *testing.T) {
	for _, c := range []struct {
		out     Outcome
		emitted int
		dropped map[string]int
	}{
		{Outcome{}, 0, map[string]int{DroppedUnaccounted: 10}},
		{Outcome{Emitted: 99}, 10, map[string]int{}},
		{Outcome{Emitted: -1, Dropped: map[string]int{"a": -5}}, 0, map[string]int{DroppedUnaccounted: 10}},
		{Outcome{Emitted: 8, Dropped: map[string]int{"a": 4}}, 6, map[string]int{"a": 4}},
	} {
		emitted, dropped := settle(c.out, 10)
		require.Equal(t, c.emitted, emitted)
		require.Equal(t, c.dropped, dropped)
	}
}
