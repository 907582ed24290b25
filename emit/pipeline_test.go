package emit

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// probe is an emitter whose fate is in the test's hands.
type probe struct {
	name      string
	unsampled bool
	emit      func(ctx context.Context, batch []span.Span) Outcome // nil: all is well

	mu     sync.Mutex
	got    []span.Span
	calls  int
	busy   atomic.Int32
	closed atomic.Int32
}

func (p *probe) Name() string    { return p.name }
func (p *probe) Unsampled() bool { return p.unsampled }
func (p *probe) Close() error    { p.closed.Add(1); return nil }

func (p *probe) Emit(ctx context.Context, batch []span.Span) Outcome {
	if p.busy.Add(1) != 1 {
		panic("Emit called twice at a time")
	}
	defer p.busy.Add(-1)
	p.mu.Lock()
	p.calls++
	p.got = append(p.got, batch...)
	p.mu.Unlock()
	if p.emit != nil {
		return p.emit(ctx, batch)
	}
	return Outcome{Emitted: len(batch)}
}

func (p *probe) spans() []span.Span {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]span.Span(nil), p.got...)
}

func testSpan(n int) span.Span {
	return span.Span{
		TraceID: span.TraceID{High: 1, Low: uint64(n) + 1}, ID: span.ID(n + 1), Kind: span.KindServer,
		Sampled: true, Start: 1_790_000_000_000_000, Duration: int64(n), Name: "GET /", Key: "a.b",
		Tags: []span.Tag{{Key: "http.method", Value: "GET"}},
	}
}

func offerN(p *Pipeline, from, n int) {
	for i := from; i < from+n; i++ {
		s := testSpan(i)
		p.Offer(&s)
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

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

func TestEverySpanReachesEveryEmitterOnce(t *testing.T) {
	a, b := &probe{name: "a"}, &probe{name: "b"}
	p := New(Options{}, a, b)
	offerN(p, 0, 5000)
	require.NoError(t, p.Close(soon(t)))
	for _, e := range []*probe{a, b} {
		seen := map[span.ID]bool{}
		for _, s := range e.spans() {
			require.False(t, seen[s.ID])
			seen[s.ID] = true
			require.Equal(t, testSpan(int(s.ID)-1), s)
		}
		require.Len(t, seen, 5000)
		require.EqualValues(t, 1, e.closed.Load())
	}
	st := p.Status()
	requireBalance(t, st)
	require.EqualValues(t, 10_000, st.Emitted)
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
	p := New(Options{MaxSpans: 2000, Interval: time.Millisecond}, emitters...)

	const offerers, each = 4, 40_000
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
				require.LessOrEqual(t, a.Queued, int64(2000), a.Name)
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
	t.Logf("%d readings balanced; %d spans accepted over %d emitters, dropped %v",
		readings.Load(), st.Accepted, len(emitters), st.Dropped)
}

func TestPoisonedSpanDoesNotTakeItsBatchAlong(t *testing.T) {
	e := &probe{name: "e"}
	p := New(Options{}, e)
	for i := range 200 {
		s := testSpan(i)
		if i%100 == 7 {
			s.Duration = -1
		}
		p.Offer(&s)
	}
	p.Offer(nil)
	require.NoError(t, p.Close(soon(t)))
	require.Len(t, e.spans(), 198)
	require.Equal(t, map[string]int64{DroppedInvalid: 2}, p.Status().Dropped)
}

func TestUnsampledSpansConcernOnlyThoseWhoCount(t *testing.T) {
	tracer, counter, plain := &probe{name: "tracer"}, &probe{name: "counter", unsampled: true}, &mute{}
	p := New(Options{}, tracer, counter, plain)
	for i := range 10 {
		s := testSpan(i)
		s.Sampled = i < 4
		p.Offer(&s)
	}
	require.NoError(t, p.Close(soon(t)))
	require.Len(t, tracer.spans(), 4)
	require.Len(t, counter.spans(), 10)
	require.EqualValues(t, 4, plain.n.Load())
	require.Equal(t, []int64{4, 10, 4}, accepted(p.Status()))
}

func TestUnsampledSpansCostNothingIfNobodyCounts(t *testing.T) {
	p := New(Options{}, &probe{name: "tracer"})
	s := testSpan(1)
	s.Sampled = false
	p.Offer(&s)
	require.Zero(t, p.Status().Accepted)
	require.NoError(t, p.Close(soon(t)))
}

func accepted(st Status) (n []int64) {
	for _, a := range st.Emitters {
		n = append(n, a.Accepted)
	}
	return n
}

// mute implements nothing beyond Emitter.
type mute struct{ n atomic.Int64 }

func (*mute) Name() string { return "mute" }
func (*mute) Close() error { return nil }
func (m *mute) Emit(_ context.Context, b []span.Span) Outcome {
	m.n.Add(int64(len(b)))
	return Outcome{Emitted: len(b)}
}

// stuck returns an emitter that hangs, deaf to its context, until release is called.
func stuck(name string) (e *probe, entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}, 1000), make(chan struct{})
	e = &probe{name: name, emit: func(_ context.Context, b []span.Span) Outcome {
		in <- struct{}{}
		<-out
		return Outcome{Emitted: len(b)}
	}}
	return e, in, sync.OnceFunc(func() { close(out) })
}

func TestStuckEmitterHoldsNeitherOfferNorItsNeighbours(t *testing.T) {
	bad, entered, release := stuck("bad")
	defer release()
	good := &probe{name: "good"}
	p := New(Options{MaxSpans: 1000, Interval: time.Millisecond}, bad, good)
	offerN(p, 0, 1)
	<-entered
	for i := 1; i < 3000; i += 100 {
		offerN(p, i, 100)
		require.Eventually(t, func() bool { return len(good.spans()) == i+100 }, 10*time.Second, time.Millisecond)
	}
	st := p.Status()
	requireBalance(t, st)
	require.LessOrEqual(t, st.Emitters[0].Queued, int64(1000))
	require.Greater(t, st.Emitters[0].Dropped[DroppedQueueFull], int64(2000))
	require.EqualValues(t, 3001, st.Emitters[1].Emitted)
	release()
	require.NoError(t, p.Close(soon(t)))
}

func TestQueuedIsWhatLiesInBufferQueueAndHands(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{Interval: time.Hour}, e)
	offerN(p, 0, 10)
	require.EqualValues(t, 10, p.Status().Queued, "in the buffer")
	p.move()
	<-entered
	require.EqualValues(t, 10, p.Status().Queued, "in the emitter's hands")
	offerN(p, 10, 5)
	p.move()
	offerN(p, 15, 1)
	require.EqualValues(t, 16, p.Status().Queued, "in all three")
	release()
	require.NoError(t, p.Flush(soon(t)))
	require.Zero(t, p.Status().Queued)
	require.NoError(t, p.Close(soon(t)))
}

func TestOldestSpansMakeRoom(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{MaxSpans: 40, Interval: time.Hour}, e) // 10 in the buffer, 30 in queue and hands
	offerN(p, 0, 1)
	p.move()
	<-entered
	for i := 1; i < 101; i += 10 {
		offerN(p, i, 10)
		p.move()
	}
	st := p.Status()
	require.EqualValues(t, 30, st.Queued)
	require.EqualValues(t, 71, st.Dropped[DroppedQueueFull])
	release()
	require.NoError(t, p.Close(soon(t)))
	var ids []int
	for _, s := range e.spans()[1:] {
		ids = append(ids, int(s.ID)-1)
	}
	require.Len(t, ids, 29)
	require.Equal(t, 72, ids[0])
	require.Equal(t, 100, ids[28])
}

func TestBytesAreBoundedToo(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{MaxBytes: 1 << 20, Interval: time.Hour}, e)
	offerN(p, 0, 1)
	p.move()
	<-entered
	for i := range 200 {
		s := testSpan(i)
		s.Name = strings.Repeat("x", 30<<10)
		p.Offer(&s)
		p.move()
	}
	st := p.Status()
	requireBalance(t, st)
	require.LessOrEqual(t, st.Queued, int64((1<<20)/(30<<10)))
	require.Greater(t, st.Queued, int64(20))
	release()
	require.NoError(t, p.Close(soon(t)))
}

func TestBurstBeyondTheBufferIsCountedNotStored(t *testing.T) {
	p := New(Options{MaxSpans: 16, Interval: time.Hour}, &probe{name: "e"})
	p.moving.Lock() // nobody empties the buffer
	offerN(p, 0, 10)
	p.moving.Unlock()
	st := p.Status()
	requireBalance(t, st)
	require.EqualValues(t, 6, st.Dropped[DroppedQueueFull])
	require.NoError(t, p.Close(soon(t)))
}

func TestFullShardDoesNotWaitForTheTicker(t *testing.T) {
	e := &probe{name: "e"}
	p := New(Options{MaxSpans: 64, Interval: time.Hour}, e)
	offerN(p, 0, 8)
	require.Eventually(t, func() bool { return len(e.spans()) == 8 }, 10*time.Second, time.Millisecond)
	require.NoError(t, p.Close(soon(t)))
}

func TestRowOfSmallBatchesIsSentAsOne(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{Interval: time.Hour}, e)
	for i := range 501 {
		offerN(p, i, 1)
		p.move()
		if i == 0 {
			<-entered
		}
	}
	release()
	require.NoError(t, p.Close(soon(t)))
	require.Equal(t, 2, e.calls)
	for i, s := range e.spans() {
		require.EqualValues(t, i+1, s.ID)
	}
}

func TestBatchesAreBounded(t *testing.T) {
	var largest atomic.Int64
	e := &probe{name: "e", emit: func(_ context.Context, b []span.Span) Outcome {
		largest.Store(max(largest.Load(), int64(len(b))))
		return Outcome{Emitted: len(b)}
	}}
	p := New(Options{MaxBatch: 50, Interval: time.Hour}, e)
	offerN(p, 0, 1234)
	require.NoError(t, p.Close(soon(t)))
	require.Len(t, e.spans(), 1234)
	require.EqualValues(t, 50, largest.Load())
}

func TestPanickingEmitterGoesOn(t *testing.T) {
	var n atomic.Int64
	e := &probe{name: "e", emit: func(_ context.Context, b []span.Span) Outcome {
		if n.Add(1) == 1 {
			panic("secret of span " + b[0].Name)
		}
		return Outcome{Emitted: len(b)}
	}}
	p := New(Options{Interval: time.Hour}, e)
	offerN(p, 0, 3)
	require.NoError(t, p.Flush(soon(t)))
	require.Equal(t, "emitter panicked with a string", p.Status().Emitters[0].LastErr)
	offerN(p, 3, 4)
	require.NoError(t, p.Close(soon(t)))
	st := p.Status()
	require.EqualValues(t, 4, st.Emitted)
	require.Equal(t, map[string]int64{DroppedPanic: 3}, st.Dropped)
	require.Empty(t, st.Emitters[0].LastErr)
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

func TestOfferAfterCloseIsCountedAndLost(t *testing.T) {
	e := &probe{name: "e"}
	p := New(Options{}, e)
	require.NoError(t, p.Close(soon(t)))
	offerN(p, 0, 3)
	st := p.Status()
	requireBalance(t, st)
	require.Equal(t, map[string]int64{DroppedClosed: 3}, st.Dropped)
	require.NoError(t, p.Flush(soon(t)))
	require.NoError(t, p.Close(soon(t)), "a second Close")
	require.EqualValues(t, 1, e.closed.Load())
}

func TestCloseCountsWhatTheDeadlineCutsOff(t *testing.T) {
	e := &probe{name: "e", emit: func(ctx context.Context, b []span.Span) Outcome {
		<-ctx.Done()
		return Outcome{Dropped: map[string]int{DroppedShutdown: len(b)}}
	}}
	p := New(Options{MaxBatch: 10, Interval: time.Hour}, e)
	offerN(p, 0, 95)
	require.ErrorContains(t, p.Close(over()), "e: 95 spans not sent")
	st := p.Status()
	requireBalance(t, st)
	require.Equal(t, map[string]int64{DroppedShutdown: 95}, st.Dropped)
}

func TestCloseReturnsFromAnEmitterThatHangs(t *testing.T) {
	e, entered, release := stuck("e")
	p := New(Options{MaxBatch: 10, Interval: time.Hour}, e)
	offerN(p, 0, 10)
	p.move()
	<-entered
	offerN(p, 10, 7)
	begun := time.Now()
	require.Error(t, p.Close(over()))
	require.Less(t, time.Since(begun), 10*time.Second)
	st := p.Status()
	requireBalance(t, st)
	require.EqualValues(t, 10, st.Queued, "still in its hands")
	require.EqualValues(t, 7, st.Dropped[DroppedShutdown])

	release()
	require.Eventually(t, func() bool { return e.closed.Load() == 1 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 10, p.Status().Emitted)
	<-p.drained
}

func TestImpatientCloseCutsThePatientOneShort(t *testing.T) {
	e := &probe{name: "e", emit: func(ctx context.Context, b []span.Span) Outcome {
		<-ctx.Done()
		return Outcome{Dropped: map[string]int{DroppedShutdown: len(b)}}
	}}
	p := New(Options{}, e)
	offerN(p, 0, 1)
	patient := make(chan error)
	go func() { patient <- p.Close(context.Background()) }()
	require.Error(t, p.Close(over()))
	require.Error(t, <-patient)
}

func TestFlushEndsWithItsContext(t *testing.T) {
	e, _, release := stuck("e")
	p := New(Options{}, e)
	offerN(p, 0, 1)
	require.ErrorIs(t, p.Flush(over()), context.Canceled)
	release()
	require.NoError(t, p.Flush(soon(t)))
	require.NoError(t, p.Close(soon(t)))
}

// troubled says itself what is wrong.
type troubled struct {
	probe
	err atomic.Pointer[error]
}

func (t *troubled) Trouble() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}

func TestTroubleIsToldOnceAndItsEndToo(t *testing.T) {
	e := &troubled{probe: probe{name: "zipkin"}}
	var told []error
	watch := teller{tell: func(_ string, err error) { told = append(told, err) }, since: make([]time.Time, 1)}
	lim := Options{}.limits()
	queues := []*queue{newQueue(e, &lim)}
	now := time.Unix(1_790_000_000, 0)

	down := errors.New("connection refused")
	watch.look(queues, now)
	e.err.Store(&down)
	for range 100 {
		watch.look(queues, now)
		now = now.Add(100 * time.Millisecond)
	}
	require.Equal(t, []error{down}, told)
	watch.look(queues, now.Add(repeatTrouble))
	require.Equal(t, []error{down, down}, told)
	e.err.Store(nil)
	watch.look(queues, now)
	watch.look(queues, now)
	require.Equal(t, []error{down, down, nil}, told)
}

func TestPipelineWithoutEmittersTakesNothing(t *testing.T) {
	p := New(Options{})
	offerN(p, 0, 3)
	requireBalance(t, p.Status())
	require.Zero(t, p.Status().Accepted)
	require.NoError(t, p.Flush(soon(t)))
	require.NoError(t, p.Close(soon(t)))
}

func TestBuffersShrinkAfterABurst(t *testing.T) {
	var sh shard
	lim := Options{}.limits()
	s := testSpan(1)
	for range 4096 {
		sh.offer(traced, &s, s.Size(), true, &lim)
	}
	sh.giveBack(traced, sh.swap(traced))
	burst := cap(sh.bufs[traced].spare)
	for range 20 {
		sh.offer(traced, &s, s.Size(), true, &lim)
		sh.giveBack(traced, sh.swap(traced))
	}
	require.GreaterOrEqual(t, burst, 4096)
	require.LessOrEqual(t, cap(sh.bufs[traced].spare), 2*smallBuffer)
	require.LessOrEqual(t, cap(sh.bufs[traced].spans), 2*smallBuffer)
}
