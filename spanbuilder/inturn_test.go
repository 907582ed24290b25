package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// unnamed is a call without an id: its messages, begun at ms, served and answered after the given time.
func unnamed(ms, served int64) []Message {
	in := shift(call4(""), time.Duration(ms)*time.Millisecond)
	in[2].Time = in[1].Time + served*1000
	in[3].Time = in[2].Time + 2000
	return in
}

func TestACallWithoutAnIDIsOneCall(t *testing.T) {
	got, stats := observed(t, append(unnamed(0, 10), unnamed(1000, 20)...)...)
	require.Len(t, got, 4)
	require.Len(t, got.byID(), 4)
	for i, s := range got.where(span.KindClient, "") {
		require.EqualValues(t, 13_000+int64(i)*10_000, s.Duration)
		require.Empty(t, tag(s, "calltap.pairing"), "one at a time leaves no doubt")
	}
	require.Zero(t, stats.Superseded+stats.Incomplete+stats.OrphanReplies)
}

// With several in flight towards one address, what comes first belongs to what was sent first.
func TestCallsWithoutIDsInFlightAreMatchedInTurn(t *testing.T) {
	a, b, c := unnamed(0, 30), unnamed(2, 40), unnamed(4, 50)
	got, stats := observed(t, a[0], a[1], b[0], c[0], b[1], c[1], a[2], a[3], b[2], b[3], c[2], c[3])
	checkShape(t, got)
	require.Len(t, got, 6)
	for i, s := range got.where(span.KindClient, "") {
		require.EqualValues(t, 33_000+int64(i)*10_000, s.Duration)
		require.Equal(t, "guessed", tag(s, "calltap.pairing"))
	}
	require.EqualValues(t, 3, stats.Calls)
	require.Zero(t, stats.Superseded+stats.Incomplete+stats.OrphanReplies+stats.OrphanDeliveries+stats.Duplicates)
}

// One whose reply never came must not take those of all that follow.
func TestACallWithoutAnIDThatTimedOutTakesNobodysReply(t *testing.T) {
	lost, next := unnamed(0, 10), unnamed(11_000, 10)
	got, _ := observed(t, append(lost[:2], next...)...)
	clients := got.where(span.KindClient, "")
	require.Len(t, clients, 2)
	require.Equal(t, "timeout", clients[0].Error)
	require.EqualValues(t, 13_000, clients[1].Duration)
}

func TestARedeliveredCallWithoutAnIDIsTheSameCall(t *testing.T) {
	in := unnamed(0, 10)
	again := in[1]
	again.Redelivered, again.Time = true, t0+5000
	got, stats := observed(t, in[0], in[1], again, in[2], in[3])
	require.Len(t, got, 2)
	require.Equal(t, "true", tag(got.one(t, span.KindServer, ""), "redelivered"))
	require.EqualValues(t, 1, stats.Redelivered)
}

// Only so many are kept apart: order tells nothing any more, and a list must not be walked for ever.
func TestCallsWithoutIDsOnOneAddressAreBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	for i := range 1000 {
		m := unnamed(0, 0)[0]
		m.Time += int64(i)
		p.Observe(tracer, &m)
		require.LessOrEqual(t, p.Stats().Open, int64(maxAlike))
	}
	require.EqualValues(t, 1000-maxAlike, p.Stats().Superseded)
	p.Flush(tracer, t0)
	require.Zero(t, p.Stats().Open)
}
