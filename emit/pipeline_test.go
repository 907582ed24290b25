package emit

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

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

// Under load the slowest requests are those that wait for what was put off.
func TestPausesAreShortUnderLoad(t *testing.T) {
	lim := Options{}.limits()
	long, short := lim.interval, lim.interval/4
	for _, c := range []struct {
		last  time.Duration
		moved int
		want  time.Duration
	}{
		{long, 0, long}, {long, 255, long}, {long, 256, short}, {short, 64, short}, {short, 63, long}, {short, 0, long},
	} {
		require.Equal(t, c.want, lim.pause(c.last, c.moved), c)
	}
	lim = Options{Interval: 1}.limits()
	require.Positive(t, lim.pause(1, 1000))
}

func TestSpansUnderLoadWaitForAQuarterOfTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &probe{name: "e"}
		p := New(Options{Interval: time.Second}, e)
		sent := 0
		after := func(offered int, pause time.Duration) int {
			offerN(p, sent, offered)
			sent += offered
			time.Sleep(pause)
			synctest.Wait()
			return sent - len(e.spans())
		}
		require.Zero(t, after(busy, time.Second))
		require.Zero(t, after(1, time.Second/4))
		require.Equal(t, 1, after(1, time.Second/4), "the load is over")
		require.Zero(t, after(0, 3*time.Second/4))
		require.NoError(t, p.Close(t.Context()))
	})
}
