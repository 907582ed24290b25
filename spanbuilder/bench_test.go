package spanbuilder

import (
	"testing"

	"github.com/calltap/calltap/span"
)

func BenchmarkExtract(b *testing.B) {
	for name, h := range map[string]map[string][]string{
		"none":        {"Accept": {"*/*"}},
		"traceparent": {"Traceparent": {"00-" + trace128 + "-" + spanHex + "-01"}},
		"b3":          {"B3": {trace128 + "-" + spanHex + "-1"}},
		"multi":       {"X-B3-Traceid": {trace128}, "X-B3-Spanid": {spanHex}, "X-B3-Sampled": {"1"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p := plain.Look(h); p != 0 {
					plain.Extract(h, p)
				}
			}
		})
	}
}

func BenchmarkStartServerAndInject(b *testing.B) {
	t := newTracer(b, &nothing{})
	var text [TraceparentLen + B3MaxLen + RequestIDLen]byte
	b.ReportAllocs()
	for b.Loop() {
		s := t.StartServer(Context{}, false, "", false, "nova-api", t.Head)
		buf := AppendTraceparent(text[:0], s)
		buf = AppendB3(buf, s)
		AppendRequestID(buf, s.TraceID)
	}
}

func BenchmarkLinks(b *testing.B) {
	l := NewLinks(0)
	for i := range uint64(100_000) {
		l.Put(span.TraceID{High: 1, Low: i}, Entry{ID: 1, Service: "api"})
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(1); b.Loop(); i++ {
			l.Put(span.TraceID{High: i, Low: i}, Entry{ID: 1, Service: "api"})
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := uint64(1); b.Loop(); i++ {
			l.Get(span.TraceID{High: i, Low: i})
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := uint64(1); pb.Next(); i++ {
				l.Put(span.TraceID{High: i, Low: i}, Entry{ID: 1, Service: "api"})
				l.Get(span.TraceID{High: i, Low: i})
			}
		})
	})
}

// BenchmarkObserve gives the cost of an event of a boot, with its ids made new for each round.
func BenchmarkObserve(b *testing.B) {
	for _, name := range []string{"boot1", "idle60"} {
		messages := capture(b, name)
		b.Run(name, func(b *testing.B) {
			p, t := NewPairer(PairerOptions{}), newTracer(b, &nothing{})
			ids := make([][]byte, len(messages))
			for i := range messages {
				ids[i] = []byte(messages[i].ID)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				i := n % len(messages)
				m := messages[i]
				round := n / len(messages)
				for d := range 8 {
					ids[i][d] = "0123456789abcdef"[round>>(4*d)&15]
				}
				m.ID = string(ids[i])
				m.Time += int64(round) * 60_000_000
				p.Observe(t, &m)
				n++
			}
		})
	}
}
