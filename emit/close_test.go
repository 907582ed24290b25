package emit

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

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
	p.move(true)
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
