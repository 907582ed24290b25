package spanbuilder

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// strangeCaller is a reply address that shares no lane with reply_0 to reply_3, which it would by chance now and then: the hash
// has a new seed in each process.
func strangeCaller() string {
	for i := 0; ; i++ {
		name := fmt.Sprint("reply_flood", i)
		lane := laneOf("/", name)
		if lane != laneOf("/", "reply_0") && lane != laneOf("/", "reply_1") && lane != laneOf("/", "reply_2") && lane != laneOf("/", "reply_3") {
			return name
		}
	}
}

// strangeHost is the same, a virtual host apart from "quiet".
func strangeHost() string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("noisy", i); laneOf(name, "")/laneCallers != laneOf("quiet", "")/laneCallers {
			return name
		}
	}
}

// A client whose calls nobody answers, such as one in a loop, fills the table. It must lose its own.
func TestAFloodOfOneCallerCostsNobodyElseACall(t *testing.T) {
	for _, flood := range []struct {
		name            string
		vhost, replyTo  string
		victims, spoilt int
	}{
		{"one reply address", "/", strangeCaller(), 20, 0},
		{"one virtual host, a reply address each", strangeHost(), "", 20, 0},
	} {
		tracer := newTracer(t, nil)
		sink := &kept{}
		tracer.Sink = sink
		p := NewPairer(PairerOptions{MaxOpen: 100})
		var quiet []Message
		for i := range flood.victims {
			in := call4(fmt.Sprintf("%032x", i))
			for j := range in {
				in[j].ReplyTo, in[j].VHost = fmt.Sprint("reply_", i%4), "quiet"
				if flood.vhost == "/" {
					in[j].VHost = "/"
				}
			}
			p.Observe(tracer, &in[0])
			p.Observe(tracer, &in[1])
			quiet = append(quiet, in[2:]...)
		}
		for i := range 2000 {
			m := call4(fmt.Sprintf("flood-number-%032d", i))[0]
			m.VHost, m.ReplyTo, m.Time = flood.vhost, flood.replyTo, t0+2000+int64(i)
			if m.ReplyTo == "" {
				m.ReplyTo = fmt.Sprint("reply_flood_", i)
			}
			p.Observe(tracer, &m)
			require.LessOrEqual(t, p.Stats().Open, int64(100))
		}
		require.EqualValues(t, 2000+flood.victims-100, p.Stats().Evicted, flood.name)
		for i := range quiet {
			p.Observe(tracer, &quiet[i])
		}
		whole := 0
		for _, s := range sink.spans {
			if s.Kind == span.KindClient && s.Duration == 13_000 {
				whole++
			}
		}
		require.Equal(t, flood.victims, whole, flood.name)
	}
}

func TestAnEvictedCallIsEmittedAsItIs(t *testing.T) {
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{MaxOpen: 1})
	first, second := call4("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), shift(call4("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"), time.Second)
	for _, m := range []Message{first[0], first[1], second[0]} {
		p.Observe(tracer, &m)
	}
	require.Len(t, sink.spans, 2)
	for _, s := range sink.spans {
		require.Equal(t, "true", tag(s, "calltap.incomplete"))
		require.Zero(t, s.Duration)
	}
	p.Observe(tracer, &first[2])
	require.EqualValues(t, 1, p.Stats().Evicted)
	require.EqualValues(t, 1, p.Stats().Open)
}
