package emit

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestOldestSpansMakeRoom(t *testing.T) {
	e, entered, release := stuck("e")
	defer release()
	p := New(Options{MaxSpans: 40, Interval: time.Hour}, e) // 10 in the buffer, 30 in queue and hands
	offerN(p, 0, 1)
	p.move(true)
	<-entered
	for i := 1; i < 101; i += 10 {
		offerN(p, i, 10)
		p.move(true)
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
	p.move(true)
	<-entered
	for i := range 200 {
		s := testSpan(i)
		s.Name = strings.Repeat("x", 30<<10)
		p.Offer(&s)
		p.move(true)
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
		p.move(true)
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

func TestBuffersShrinkAfterABurst(t *testing.T) {
	var sh shard
	lim := Options{}.limits()
	s := testSpan(1)
	for range 4096 {
		sh.offer(traced, &s, s.Size(), true, &lim)
	}
	sh.giveBack(traced, sh.swap(traced), true)
	burst := cap(sh.bufs[traced].spare)
	for range patience {
		sh.offer(traced, &s, s.Size(), true, &lim)
		sh.giveBack(traced, sh.swap(traced), true)
	}
	require.GreaterOrEqual(t, max(cap(sh.bufs[traced].spare), cap(sh.bufs[traced].spans)), burst, "the next burst grows it again, in Offer")
	for range 20 {
		sh.offer(traced, &s, s.Size(), true, &lim)
		sh.giveBack(traced, sh.swap(traced), true)
	}
	require.GreaterOrEqual(t, burst, 4096)
	require.LessOrEqual(t, cap(sh.bufs[traced].spare), 2*smallBuffer)
	require.LessOrEqual(t, cap(sh.bufs[traced].spans), 2*smallBuffer)
}
