package report

import (
	"encoding/json"
	"fmt"

	"github.com/openzipkin/zipkin-go/model"
)

// Trace is the spans of one trace, in any order.
type Trace struct {
	Spans []model.SpanModel
	Bad   int // spans that could not be read
}

// DecodeTrace reads an array of spans. It fails only if data is no array; a span that is none counts as Bad.
func DecodeTrace(data []byte) (Trace, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return Trace{}, fmt.Errorf("reading a trace: want an array of Zipkin v2 spans: %w", err)
	}
	return decodeSpans(raw), nil
}

// DecodeTraces reads an array of arrays of spans.
func DecodeTraces(data []byte) ([]Trace, error) {
	var raw [][]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("reading traces: want an array of arrays of Zipkin v2 spans: %w", err)
	}
	traces := make([]Trace, len(raw))
	for i := range raw {
		traces[i] = decodeSpans(raw[i])
	}
	return traces, nil
}

func decodeSpans(raw []json.RawMessage) Trace {
	t := Trace{Spans: make([]model.SpanModel, 0, len(raw))}
	for _, data := range raw {
		var s model.SpanModel
		if err := json.Unmarshal(data, &s); err != nil {
			t.Bad++
			continue
		}
		t.Spans = append(t.Spans, s)
	}
	return t
}
