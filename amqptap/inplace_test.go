package amqptap

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/amqptap/wire"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// tableOf writes a table of a capture as a broker does.
func tableOf(m map[string]any) (b []byte) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b = append(append(b, byte(len(name))), name...)
		b = appendValue(b, m[name])
	}
	return b
}

func appendValue(b []byte, v any) []byte {
	sized := func(kind byte, inside []byte) []byte {
		return append(binary.BigEndian.AppendUint32(append(b, kind), uint32(len(inside))), inside...)
	}
	switch x := v.(type) {
	case string:
		return sized('S', []byte(x))
	case bool:
		if x {
			return append(b, 't', 1)
		}
		return append(b, 't', 0)
	case float64:
		if x != math.Trunc(x) {
			return binary.BigEndian.AppendUint64(append(b, 'd'), math.Float64bits(x))
		}
		return binary.BigEndian.AppendUint64(append(b, 'l'), uint64(int64(x)))
	case map[string]any:
		return sized('F', tableOf(x))
	case []any:
		var inside []byte
		for _, e := range x {
			inside = appendValue(inside, e)
		}
		return sized('A', inside)
	}
	return append(b, 'V')
}

// delivered is a captured message as it lies in the receive buffer.
func delivered(l *captureLine) *wire.Delivery {
	return &wire.Delivery{
		RoutingKey: string([]byte(l.RoutingKey)), Body: l.Body, Size: uint64(len(l.Body)),
		Properties: wire.Properties{Headers: tableOf(l.Headers)},
	}
}

// boots are all firehose recordings in this package's test data.
func boots(t testing.TB) (all []captureLine) {
	files, err := filepath.Glob("dialect/testdata/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		in := newCaptureReader(f)
		for {
			if tooLong, err := in.readLine(); err != nil || tooLong {
				break
			}
			var l captureLine
			if json.Unmarshal(in.line, &l) == nil && l.RoutingKey != "" && l.Headers != nil {
				all = append(all, l)
			}
		}
	}
	return all
}

// asked is what dialects can get to know of a message's headers.
func asked(h dialect.Headers, names []string) (all []any) {
	if h == nil {
		return nil
	}
	for _, name := range append(names, "none") {
		n, isInt := h.Int(name)
		all = append(all, name, h.Header(name), n, isInt, h.Strings(name, nil))
	}
	reason, queue, count, ok := h.Death()
	return append(all, reason, queue, count, ok)
}

func TestBothReadersMakeTheSameRecord(t *testing.T) {
	lines := boots(t)
	require.Greater(t, len(lines), 100)
	for _, l := range lines {
		var library, inPlace dialect.Record
		var headers wire.Headers
		d := delivered(&l)
		require.Equal(t, fromFirehose(l.RoutingKey, l.Headers, l.Body, &library), fromFirehoseInPlace(d, &inPlace, &headers))
		p, _ := l.Headers["properties"].(map[string]any)
		own, _ := p["headers"].(map[string]any)
		names := slices.Sorted(maps.Keys(own))
		require.Equal(t, asked(library.Properties.Headers, names), asked(inPlace.Properties.Headers, names))
		library.Properties.Headers, inPlace.Properties.Headers = nil, nil
		library.Size = len(l.Body)
		require.Equal(t, library, inPlace)
	}
}

// What a delivery points into is overwritten by the next. Whoever keeps a part of it would show in the spans.
func TestNothingOfTheReceiveBufferIsKept(t *testing.T) {
	lines := boots(t)
	spans := func(poison bool) []span.Span {
		var all collector
		st, err := newStream(dialect.Limits{}, nil, spanbuilder.PairerOptions{})
		require.NoError(t, err)
		tr := all.tracer(t)
		tr.Sink = &all
		var m spanbuilder.Message
		var r dialect.Record
		var headers wire.Headers
		now := int64(1_700_000_000_000_000)
		for i := range lines {
			d := delivered(&lines[i])
			d.Body = slices.Clone(d.Body)
			if !fromFirehoseInPlace(d, &r, &headers) {
				continue
			}
			now += 1000
			r.Time = now
			st.observe(tr, &r, &m)
			if poison {
				overwrite(d.Body)
				overwrite(d.Properties.Headers)
				overwrite(unsafe.Slice(unsafe.StringData(d.RoutingKey), len(d.RoutingKey)))
			}
		}
		st.pairer.Flush(tr, now)
		return all.spans
	}
	want, got := spans(false), spans(true)
	require.Greater(t, len(want), 50)
	require.Equal(t, want, got)
}

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

func TestWhatIsNoFirehoseMessageIsRefusedInPlace(t *testing.T) {
	var r dialect.Record
	var h wire.Headers
	full := func() map[string]any {
		return map[string]any{"vhost": "/", "exchange_name": "nova", "routing_keys": []any{"conductor"}, "properties": map[string]any{}, "routed_queues": []any{}}
	}
	take := func(key string, m map[string]any) bool {
		return fromFirehoseInPlace(delivered(&captureLine{RoutingKey: key, Headers: m}), &r, &h)
	}
	require.True(t, take("publish.nova", full()))
	require.Equal(t, dialect.Record{Point: spanbuilder.Published, VHost: "/", Exchange: "nova", RoutingKey: "conductor", RoutedKnown: true}, r)
	require.True(t, take("deliver.", map[string]any{"properties": map[string]any{}, "redelivered": float64(1)}))
	require.True(t, r.Redelivered)
	for _, key := range []string{"publish", "", "publis.nova"} {
		require.False(t, take(key, full()))
	}
	require.False(t, take("publish.nova", nil))
	wrong := full()
	wrong["properties"] = "x"
	require.False(t, take("publish.nova", wrong))
	wrong = full()
	wrong["routing_keys"], wrong["vhost"], wrong["routed_queues"], wrong["exchange_name"] = "x", float64(1), "y", []any{nil}
	require.True(t, take("publish.nova", wrong), "wrong types count as absent")
	require.Equal(t, dialect.Record{Point: spanbuilder.Published}, r)
}

// BenchmarkInPlace is BenchmarkEvent for a delivery that lies in the receive buffer: its firehose headers alone.
func BenchmarkInPlace(b *testing.B) {
	lines := boots(b)
	var all []*wire.Delivery
	for i := range lines {
		all = append(all, delivered(&lines[i]))
	}
	var r dialect.Record
	var h wire.Headers
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		fromFirehoseInPlace(all[i%len(all)], &r, &h)
	}
}

// A read brings many messages at one time; a trace that is sorted by time must show them as they came.
func TestMessagesOfOneReadStayInOrder(t *testing.T) {
	require.EqualValues(t, 100, inOrder(0, 100))
	require.EqualValues(t, 101, inOrder(100, 100))
	require.EqualValues(t, 102, inOrder(101, 100))
	require.EqualValues(t, 200, inOrder(102, 200))
	require.EqualValues(t, 5, inOrder(5+maxReordered+1, 5), "the clock was set back")
}
