package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestWhatALossLeaves(t *testing.T) {
	later := Message{Time: t0 + int64(time.Hour/time.Microsecond), Point: Published, Form: FormHeartbeat}
	for _, c := range []struct {
		name string
		lost int
		want string
		PairerStats
	}{
		{"request published", 0, "SERVER compute→ reboot 10000 \n", PairerStats{Replies: 1, OrphanDeliveries: 1, Spans: 1}},
		{"request delivered", 1, "CLIENT nova→compute reboot 13000 \n", PairerStats{Calls: 1, Replies: 1, LostDeliveries: 1, Spans: 1}},
		{"reply published", 2, "CLIENT nova→compute reboot 13000 \n  SERVER compute→ reboot 0 calltap.incomplete=true\n",
			PairerStats{Calls: 1, LostReplies: 1, Incomplete: 1, Spans: 2}},
		{"reply delivered", 3, "CLIENT nova→compute reboot 0 calltap.incomplete=true\n  SERVER compute→ reboot 10000 \n",
			PairerStats{Calls: 1, Replies: 1, LostReplies: 1, Incomplete: 1, Spans: 2}},
	} {
		in := call4(callID)
		in = append(in[:c.lost], in[c.lost+1:]...)
		got, stats := observed(t, append(in, later)...)
		require.Equal(t, c.want, got.tree(), c.name)
		c.PairerStats.Heartbeats = 1
		require.Equal(t, c.PairerStats, stats, c.name)
	}
}

func TestRepliesFromBeforeTheStartAreOrphans(t *testing.T) {
	in := call4(callID)
	got, stats := observed(t, in[2], in[3])
	require.Empty(t, got)
	require.Equal(t, PairerStats{OrphanReplies: 1}, stats)
}

func TestACallThatNobodyTakesTimesOut(t *testing.T) {
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	m := call4(callID)[0]
	p.Observe(tracer, &m)
	p.Advance(tracer, t0+9_999_999)
	require.Empty(t, sink.spans)
	p.Advance(tracer, t0+10_000_000)
	require.Len(t, sink.spans, 1)
	s := sink.spans[0]
	require.Equal(t, "timeout", s.Error)
	require.EqualValues(t, 10_000_000, s.Duration)
	require.Equal(t, "true", tag(s, "rpc.undelivered"))
	require.Zero(t, p.Stats().Open)
	require.EqualValues(t, 1, p.Stats().Timeouts)
}

func TestAServerThatNeverAnswersIsGivenUpAfterTheLinger(t *testing.T) {
	in := call4(callID)[:2]
	end := Message{Time: t0 + 69_999_999, Point: Published, Form: FormHeartbeat}
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	for _, m := range append(in, end) {
		p.Observe(tracer, &m)
	}
	require.Len(t, sink.spans, 1)
	require.EqualValues(t, 1, p.Stats().Open)
	p.Advance(tracer, t0+70_000_000)
	require.Len(t, sink.spans, 2)
	require.Equal(t, span.KindServer, sink.spans[1].Kind)
	require.Equal(t, "true", tag(sink.spans[1], "calltap.incomplete"))
	require.Zero(t, sink.spans[1].Duration)
	require.Zero(t, p.Stats().Open)
}

func TestALateReplyEndsTheServerOnly(t *testing.T) {
	in := call4(callID)
	in[2].Time, in[3].Time = t0+15_000_000, t0+15_001_000
	got, stats := observed(t, in...)
	require.Equal(t, "CLIENT nova→compute reboot 10000000 error=timeout\n  SERVER compute→ reboot 14999000 rpc.late=true\n", got.tree())
	require.EqualValues(t, 1, stats.Late)
	require.EqualValues(t, 1, stats.Timeouts)
	require.Zero(t, stats.OrphanReplies)
}

func TestACallWithoutATimeoutGetsTheDefault(t *testing.T) {
	in := call4(callID)[:1]
	in[0].Timeout = 0
	end := Message{Time: t0 + 61_000_000, Point: Published, Form: FormHeartbeat}
	got, _ := observed(t, append(in, end)...)
	require.EqualValues(t, 60_000_000, got.one(t, span.KindClient, "").Duration)

	in[0].Timeout = 1<<63 - 1 // hostile
	_, stats := observed(t, in...)
	require.EqualValues(t, 1, stats.Incomplete)
}

func TestAHeartbeatIsNoReply(t *testing.T) {
	in := call4(callID)
	beat := in[2]
	beat.Form, beat.Time = FormHeartbeat, t0+5000
	got, stats := observed(t, in[0], in[1], beat, in[2], in[3])
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration)
	require.EqualValues(t, 1, stats.Heartbeats)
}

func TestAnUnroutableCallFailsAtOnce(t *testing.T) {
	in := call4(callID)[0]
	in.Unroutable = true
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	p.Observe(tracer, &in)
	require.Len(t, sink.spans, 1)
	require.Equal(t, "unroutable", sink.spans[0].Error)
	require.Zero(t, sink.spans[0].Duration)
	require.Zero(t, p.Stats().Open)
}

// One recorded message with a clock gone wild must not end the calls that come after it.
func TestAClockThatJumpsEndsOnlyWhatIsOpen(t *testing.T) {
	wild := Message{Time: t0 + int64(30*24*time.Hour/time.Microsecond), Point: Published, Form: FormHeartbeat}
	got, stats := observed(t, append([]Message{wild}, call4(callID)...)...)
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration)
	require.Zero(t, stats.Timeouts)
}

func TestACallThatMayHaveBeenAnsweredUnseenIsNoTimeout(t *testing.T) {
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	before, after := call4(callID)[0], call4(callID)[0]
	after.ID, after.Time = "another", t0+2_000_000
	p.Observe(tracer, &before)
	p.Blind(t0 + 1_000_000)
	p.Observe(tracer, &after)
	p.Advance(tracer, t0+60_000_000)
	require.Len(t, sink.spans, 2)
	require.Empty(t, sink.spans[0].Error)
	require.Equal(t, "true", tag(sink.spans[0], "calltap.incomplete"))
	require.Equal(t, "timeout", sink.spans[1].Error)
	require.EqualValues(t, 1, p.Stats().Timeouts)
	require.EqualValues(t, 1, p.Stats().LostReplies)
}
