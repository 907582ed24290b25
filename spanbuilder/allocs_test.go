package spanbuilder

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// rounds repeats messages with ids and request ids of their own each time, a minute apart.
func rounds(all []Message, from, n int) (more []Message) {
	for round := from; round < from+n; round++ {
		for _, m := range all {
			if m.ID != "" {
				m.ID = fmt.Sprintf("%08x", round) + m.ID[8:]
			}
			for _, id := range []*string{&m.RequestID, &m.GlobalRequestID} {
				if t, ok := ParseRequestID(*id); ok {
					*id = string(AppendRequestID(nil, span.TraceID{High: t.High ^ uint64(round)<<32, Low: t.Low}))
				}
			}
			m.Time += int64(round) * 60_000_000
			more = append(more, m)
		}
	}
	return more
}

// A span's room, a call's work, a trace: nothing else may be allocated once the caches are warm, or a busy broker's tap is at
// the collector's mercy.
func TestAnEventCostsAtMostOneAllocation(t *testing.T) {
	for _, name := range []string{"boot1", "calls", "idle60"} {
		p, tracer := NewPairer(PairerOptions{}), newTracer(t, &nothing{})
		warm, measured := rounds(capture(t, name), 0, 20), rounds(capture(t, name), 20, 50)
		for i := range warm {
			p.Observe(tracer, &warm[i])
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		spans := p.Stats().Spans
		for i := range measured {
			p.Observe(tracer, &measured[i])
		}
		runtime.ReadMemStats(&after)
		events := float64(len(measured))
		allocs := float64(after.Mallocs-before.Mallocs) / events
		t.Logf("%s: %.2f allocations and %.2f spans an event, %.0f bytes", name, allocs, float64(p.Stats().Spans-spans)/events,
			float64(after.TotalAlloc-before.TotalAlloc)/events)
		require.LessOrEqual(t, allocs, 1.0, name)
	}
}
