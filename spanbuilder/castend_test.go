package spanbuilder

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// ending is a line of testdata/truth/ends.tsv.
type ending struct {
	capture, what string
	began, ended  int64
}

func endings(t *testing.T) []ending {
	f, err := os.Open("testdata/truth/ends.tsv")
	require.NoError(t, err)
	defer f.Close()
	var all []ending
	for lines := bufio.NewScanner(f); lines.Scan(); {
		c := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(c[0], "#") {
			continue
		}
		began, err := strconv.ParseInt(c[2], 10, 64)
		require.NoError(t, err)
		ended, err := strconv.ParseInt(c[3], 10, 64)
		require.NoError(t, err)
		all = append(all, ending{c[0], c[1], began, ended})
	}
	require.NotEmpty(t, all)
	return all
}

// nova does something between the delivery and its first word of it, and tells of the end last of all, so its
// notifications span less than its work; its record of the action is the work's last act.
func TestInferredEndOfABootIsThatWhichNovaTells(t *testing.T) {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	for _, e := range endings(t) {
		got, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, e.capture))
		s := got.one(t, span.KindConsumer, "build_and_run_instance")
		require.Equal(t, "inferred", tag(s, endTag))
		t.Logf("%-20s %-36s told %6.1f ms, inferred %6.1f ms: begins %5.1f ms earlier, ends %5.1f ms later",
			e.capture, e.what, ms(e.ended-e.began), ms(s.Duration), ms(e.began-s.Start), ms(s.Start+s.Duration-e.ended))
		within := int64(0) // µs
		if e.what == "compute.instance.create" {
			within = 15_000
		}
		require.InDelta(t, e.ended, s.Start+s.Duration, float64(within))
		require.GreaterOrEqual(t, s.Start+s.Duration, e.ended)
		require.InDelta(t, e.began, s.Start, 30_000)
		require.LessOrEqual(t, s.Start, e.began)
	}
}

// work is a cast's delivery to a worker that then makes the calls, each at its time after t0, and 10 ms long.
func work(at ...time.Duration) []Message {
	sent := call4("a-cast-with-an-id-0000")[:2]
	for i := range sent {
		sent[i].Form, sent[i].ReplyTo, sent[i].Method, sent[i].Timeout = FormCast, "", "build", 0
	}
	all := sent
	for i, after := range at {
		nested := shift(call4(fmt.Sprintf("nested-call-number-%04d", i)), after)
		for k := range nested {
			nested[k].ReplyTo, nested[k].Timeout = "reply_worker", 20*time.Second
		}
		nested[0].Connection, nested[1].Connection, nested[2].Connection, nested[3].Connection = "worker out", "x in", "x out", "worker reply"
		all = append(all, nested...)
	}
	return all
}

// observing takes messages and tells when the CONSUMER came out.
func observing(t *testing.T, p *Pairer, until time.Duration, in []Message) (s span.Span, after time.Duration) {
	tracer, sink := newTracer(t, nil), &kept{}
	tracer.Sink = sink
	step := int64(10_000)
	for now := t0; now <= t0+until.Microseconds(); now += step {
		for len(in) > 0 && in[0].Time <= now {
			p.Observe(tracer, &in[0])
			in = in[1:]
		}
		p.Advance(tracer, now)
		if got := spans(sink.spans).where(span.KindConsumer, ""); len(got) > 0 && after == 0 {
			s, after = got[0], time.Duration(now-t0)*time.Microsecond
		}
	}
	return s, after
}

func TestAWorkEndsWithTheLastThingThatItCaused(t *testing.T) {
	p := NewPairer(PairerOptions{})
	s, after := observing(t, p, 20*time.Second, work(time.Second, 4*time.Second, 8*time.Second))
	require.EqualValues(t, 8_013_000-1000, s.Duration, "from its delivery until the last answer was there")
	require.Equal(t, "inferred", tag(s, endTag))
	require.InDelta(t, float64(13*time.Second), float64(after), float64(100*time.Millisecond))
	require.Zero(t, p.Stats().Held)
	require.Zero(t, p.Stats().AfterEnd)
}

// It waits for an answer longer than the quiet time.
func TestAWorkThatAwaitsAnAnswerHasNotEnded(t *testing.T) {
	in := work(time.Second)
	in = append(in[:4], shift(in[4:], 15*time.Second)...)
	s, after := observing(t, NewPairer(PairerOptions{}), time.Minute, in)
	require.EqualValues(t, in[5].Time-in[1].Time, s.Duration)
	require.Greater(t, after, 20*time.Second)
	require.Less(t, after, 23*time.Second)

	s, _ = observing(t, NewPairer(PairerOptions{}), 2*time.Minute, work(time.Second)[:4])
	require.EqualValues(t, 21_000_000-1000, s.Duration, "no answer came: it went on when the call's time was over")
}

func TestAWorkThatCausedNothingHasNoLength(t *testing.T) {
	s, after := observing(t, NewPairer(PairerOptions{CastQuiet: time.Second}), 3*time.Second, work())
	require.Zero(t, s.Duration)
	require.Empty(t, tag(s, endTag))
	require.InDelta(t, float64(time.Second), float64(after), float64(20*time.Millisecond))
}

func TestWhatComesAfterTheEndThatWasToldIsCounted(t *testing.T) {
	p := NewPairer(PairerOptions{})
	s, _ := observing(t, p, time.Minute, work(time.Second, 20*time.Second))
	require.EqualValues(t, 1_012_000, s.Duration)
	require.EqualValues(t, 2, p.Stats().AfterEnd, "a call and its answer")
}

func TestAtTheEndOfInputAWorkEndsAsFarAsItIsKnown(t *testing.T) {
	got, stats := observed(t, work(time.Second)...)
	s := got.one(t, span.KindConsumer, "")
	require.EqualValues(t, 1_012_000, s.Duration)
	require.Zero(t, stats.Held)
}

func TestAFloodOfCastsIsHeldWithinBounds(t *testing.T) {
	tracer, sink := newTracer(t, nil), &nothing{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	const n = maxHeld + 1000
	for i := range n {
		m := Message{
			Time: t0 + int64(i), Point: Delivered, Form: FormCast, ID: fmt.Sprintf("cast-%020d", i), Queue: "q", Method: "m",
			RequestID: string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1})), UserID: "u",
		}
		p.Observe(tracer, &m)
		require.LessOrEqual(t, p.pool.n, maxHeld)
	}
	require.EqualValues(t, 1000, p.Stats().EndsGivenUp)
	require.Equal(t, 1000, sink.n)
	p.Flush(tracer, t0)
	require.Equal(t, n, sink.n, "none is lost")
	require.Zero(t, p.Stats().Held)
}
