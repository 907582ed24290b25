package stats

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type emitter struct{ name string }

func (e emitter) Name() string { return e.name }
func (emitter) Close() error   { return nil }
func (emitter) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	return emit.Outcome{Emitted: len(batch) - 1, Dropped: map[string]int{"rejected": 1}}
}

// scrape gathers as a server would, in pedantic mode, and returns value by "name/label/label".
func scrape(t *testing.T, p *emit.Pipeline) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(New(p.Status)))
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := family.GetName()
			for _, label := range m.GetLabel() {
				key += "/" + label.GetValue()
			}
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestBooksBalanceInPrometheusToo(t *testing.T) {
	p := emit.New(emit.Options{Interval: time.Hour}, emitter{"zipkin"}, emitter{"log"}, emitter{"log"})
	for i := range 5 {
		s := span.Span{TraceID: span.TraceID{Low: 1}, ID: span.ID(i), Start: 1, Sampled: true} // the first is poisoned
		p.Offer(&s)
	}
	require.NoError(t, p.Close(context.Background()))
	require.Equal(t, map[string]float64{
		"calltap_spans_accepted_total/zipkin":         5,
		"calltap_spans_emitted_total/zipkin":          3,
		"calltap_spans_queued/zipkin":                 0,
		"calltap_spans_dropped_total/zipkin/invalid":  1,
		"calltap_spans_dropped_total/zipkin/rejected": 1,
		"calltap_spans_accepted_total/log":            10,
		"calltap_spans_emitted_total/log":             6,
		"calltap_spans_queued/log":                    0,
		"calltap_spans_dropped_total/log/invalid":     2,
		"calltap_spans_dropped_total/log/rejected":    2,
	}, scrape(t, p))
}
