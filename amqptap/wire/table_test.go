package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// every has a field of each type.
func every() []byte {
	return slices.Concat(
		field("t", 't', []byte{1}), field("b", 'b', []byte{0x80}), field("B", 'B', []byte{0x80}),
		field("s", 's', []byte{0x80, 1}), field("u", 'u', []byte{0x80, 1}),
		field("I", 'I', be32(1<<31|5)), field("i", 'i', be32(1<<31|5)), field("l", 'l', be64(1<<63|5)),
		field("f", 'f', be32(math.Float32bits(1.5))), field("d", 'd', be64(math.Float64bits(-2.5))),
		field("D", 'D', []byte{2, 0, 0, 0, 7}), field("T", 'T', be64(1700000000)), field("V", 'V', nil),
		field("S", 'S', []byte("text")), field("x", 'x', []byte("bytes")),
		field("A", 'A', slices.Concat(element('S', []byte("one")), element('I', be32(2)), element('S', []byte("three")))),
		field("F", 'F', field("in", 'F', field("deeper", 'S', []byte("end")))), field("", 'S', nil),
	)
}

// firehoseTable is a header table as RabbitMQ's firehose sends it.
func firehoseTable() []byte {
	return slices.Concat(
		field("exchange_name", 'S', []byte("nova")), field("routing_keys", 'A', element('S', []byte("conductor"))),
		field("properties", 'F', slices.Concat(field("priority", 'I', be32(0)), field("delivery_mode", 'I', be32(2)), field("headers", 'F', nil),
			field("content_encoding", 'S', []byte("utf-8")), field("content_type", 'S', []byte("application/json")), field("expiration", 'S', []byte("60000")))),
		field("node", 'S', []byte("rabbit@localhost")), field("vhost", 'S', []byte("/")), field("connection", 'S', []byte("127.0.0.1:56056 -> 127.0.0.1:5682")),
		field("channel", 'I', be32(1)), field("user", 'S', []byte("guest")), field("routed_queues", 'A', element('S', []byte("conductor"))),
	)
}

// asMap reads all of a table as the library would.
func asMap(t testing.TB, b Table) map[string]any {
	m, whole := decode(b, 0)
	require.True(t, whole)
	return m
}

// decode reads all of a table. whole is false if some of it could not be read.
func decode(b Table, depth int) (m map[string]any, whole bool) {
	m, whole = map[string]any{}, depth <= 32
	for whole {
		name, v, ok := b.Next()
		if !ok {
			return m, len(b) == 0 && len(m) <= maxFields
		}
		m[string(name)], whole = plain(v, depth)
	}
	return nil, false
}

func decodeArray(a Array, depth int) (list []any, whole bool) {
	whole = depth <= 32
	for whole {
		v, ok := a.Next()
		if !ok {
			return list, len(a) == 0 && len(list) <= maxFields
		}
		var e any
		e, whole = plain(v, depth)
		list = append(list, e)
	}
	return nil, false
}

// plain is a value as the library gives it, floats by their bits.
func plain(v Value, depth int) (any, bool) {
	n, isInt := v.Int()
	switch v.Type {
	case 't':
		return n != 0, isInt
	case 'b':
		return int8(n), isInt
	case 'B':
		return byte(n), isInt
	case 's':
		return int16(n), isInt
	case 'u':
		return uint16(n), isInt
	case 'I':
		return int32(n), isInt
	case 'i':
		return uint32(n), isInt
	case 'l':
		return n, isInt
	case 'f':
		return binary.BigEndian.Uint32(v.Data), true
	case 'd':
		return binary.BigEndian.Uint64(v.Data), true
	case 'D':
		return amqp.Decimal{Scale: v.Data[0], Value: int32(binary.BigEndian.Uint32(v.Data[1:]))}, true
	case 'T':
		return time.Unix(int64(binary.BigEndian.Uint64(v.Data)), 0), true
	case 'S':
		return v.Text(), true
	case 'x':
		return []byte(v.Text()), true
	case 'F':
		inner, _ := v.Table()
		m, whole := decode(inner, depth+1)
		return amqp.Table(m), whole
	case 'A':
		inner, _ := v.Array()
		return decodeArray(inner, depth+1)
	}
	return nil, v.Type == 'V'
}

// byBits has the library's floats by their bits, since not all equal themselves.
func byBits(v any) any {
	switch x := v.(type) {
	case float32:
		return math.Float32bits(x)
	case float64:
		return math.Float64bits(x)
	case amqp.Table:
		for k, e := range x {
			x[k] = byBits(e)
		}
	case []any:
		for i, e := range x {
			x[i] = byBits(e)
		}
	}
	return v
}

func TestEachTypeOfFieldIsReadAsTheLibraryDoes(t *testing.T) {
	l := openLibrary(t, passOn)
	defer l.close()
	for _, table := range [][]byte{every(), firehoseTable(), nil} {
		want, ok := l.decode(table)
		require.True(t, ok)
		if want == nil {
			want = amqp.Table{}
		}
		require.Equal(t, byBits(want), any(amqp.Table(asMap(t, table))))
	}
}

func TestHeadersAnswerWhatDialectsAsk(t *testing.T) {
	death := func(reason, queue string, n uint64) []byte {
		return element('F', slices.Concat(field("reason", 'S', []byte(reason)), field("queue", 'S', []byte(queue)), field("count", 'l', be64(n))))
	}
	h := &Headers{Table: slices.Concat(every(), field("x-death", 'A', slices.Concat(death("expired", "q1", 3), death("rejected", "q2", 1))),
		field("S", 'S', []byte("the last of a name counts")))}
	require.Equal(t, "the last of a name counts", h.Header("S"))
	require.Equal(t, "bytes", h.Header("x"))
	for _, name := range []string{"I", "none", "F", "V"} {
		require.Empty(t, h.Header(name))
	}
	for name, want := range map[string]int64{"t": 1, "b": -128, "B": 128, "s": -32767, "u": 32769, "I": -(1<<31 - 5), "i": 1<<31 | 5, "l": math.MinInt64 + 5} {
		n, ok := h.Int(name)
		require.True(t, ok, name)
		require.Equal(t, want, n, name)
	}
	_, ok := h.Int("S")
	require.False(t, ok)
	require.Equal(t, []string{"before", "one", "three"}, h.Strings("A", []string{"before"}))
	require.Empty(t, h.Strings("S", nil))
	reason, queue, count, ok := h.Death()
	require.Equal(t, []any{"expired", "q1", int64(3), true}, []any{reason, queue, count, ok})
	_, _, _, ok = (&Headers{Table: field("x-death", 'S', []byte("x"))}).Death()
	require.False(t, ok)
	_, _, _, ok = (&Headers{}).Death()
	require.False(t, ok)

	dst := make([]string, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _, _, _ = h.Death()
		_, _ = h.Int("l")
		_ = h.Strings("A", dst)
		if h.Header("S") == "" {
			t.Fatal()
		}
	}))
}

func TestATableEndsWhereItBreaks(t *testing.T) {
	good := field("good", 'S', []byte("yes"))
	for name, tail := range map[string][]byte{
		"length only":       {5},
		"name too long":     {200, 'x'},
		"no type":           {1, 'x'},
		"unknown type":      {1, 'x', 'L', 0, 0, 0, 0, 0, 0, 0, 1},
		"int cut off":       {1, 'x', 'I', 0, 0},
		"length cut off":    {1, 'x', 'S', 0, 0},
		"longer than it is": {1, 'x', 'S', 0, 0, 0, 9, 'a'},
		"negative length":   {1, 'x', 'x', 0xff, 0xff, 0xff, 0xff, 'a'},
		"huge table":        {1, 'x', 'F', 0x7f, 0xff, 0xff, 0xff},
	} {
		table := Table(slices.Concat(good, tail, field("after", 'S', []byte("no"))))
		require.Equal(t, "yes", table.Get("good").Text(), name)
		require.Zero(t, Table(slices.Concat(good, tail)).Get("x"), name)
	}
}

// A table of 128 KiB can hold 64 thousand fields, and be as deep as it is long. Neither may cost more than reading it.
func TestHugeAndDeepTables(t *testing.T) {
	many := Table(strings.Repeat("\x00V", 60_000))
	require.Zero(t, many.Get("none"))
	require.Equal(t, maxFields, Array(strings.Repeat("V", 60_000)).Len())
	deep := field("t", 'F', nil)
	for range 5000 {
		deep = field("t", 'F', deep)
	}
	inner, ok := Table(deep).Get("t").Table()
	require.True(t, ok)
	require.Len(t, inner, len(deep)-7)
	_, whole := decode(deep, 0)
	require.False(t, whole)
}
