package dialect

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/spanbuilder"
)

// twice decodes a body as it is published and, from other memory, as it is delivered, and then by a Set that sees the delivery alone.
func twice(t testing.TB, r Record, paths ...string) (second, alone spanbuilder.Message, known bool) {
	t.Helper()
	fresh := func() *Set {
		set, err := NewSet(Limits{}, "oslo")
		require.NoError(t, err)
		set.ReadArgs(paths)
		return set
	}
	set, whole := fresh(), r.Body
	first := bytes.Clone(whole)
	r.Point, r.Body = spanbuilder.Published, first
	set.Decode(&r, &second)
	r.Point, r.Queue, r.Body = spanbuilder.Delivered, "q", bytes.Clone(whole)
	for i := range first {
		first[i] = '#' // a tap reads the next message into the same buffer
	}
	o := set.dialects[0].(*oslo)
	o.reset()
	known = o.twins.recall(o, &r)
	set.Decode(&r, &second)
	fresh().Decode(&r, &alone)
	return second, alone, known
}

func TestADeliveryIsReadAsItsPublication(t *testing.T) {
	records, recalled := captured(t), 0
	for _, r := range records {
		second, alone, known := twice(t, r, "objmethod", "objinst.nova_object.name")
		require.Equal(t, alone, second)
		if known {
			recalled++
		}
	}
	require.Greater(t, recalled, len(records)*9/10, "or reading a body once a message has no effect")
}

func TestWhatHadToBeUnescapedIsReadAgain(t *testing.T) {
	for _, inner := range []string{`{"method": "gr\u00f6\u00dfe", "_unique_id": "x"}`, `{"method": "a\"b", "_unique_id": "x"}`} {
		second, alone, known := twice(t, Record{Exchange: "nova", RoutingKey: "c", Body: envelope(inner)})
		require.False(t, known)
		require.Equal(t, alone, second)
		require.NotEmpty(t, second.Method)
	}
}

// A body of the same length, in the same slot, or one that was refused must not get another's reading.
func TestABodyIsNotTakenForAnother(t *testing.T) {
	set, err := NewSet(Limits{}, "oslo")
	require.NoError(t, err)
	var m spanbuilder.Message
	for i := range 4 * twinSlots {
		r := Record{Point: spanbuilder.Published, Exchange: "nova", RoutingKey: "c", Body: envelope(fmt.Sprintf(`{"method": "m%06d", "_unique_id": "x"}`, i))}
		set.Decode(&r, &m)
		r.Point = spanbuilder.Delivered
		r.Body = envelope(fmt.Sprintf(`{"method": "m%06d", "_unique_id": "x"}`, i^1))
		_, v := set.Decode(&r, &m)
		require.Equal(t, Decoded, v)
		require.Equal(t, fmt.Sprintf("m%06d", i^1), m.Method)
	}
	for _, body := range []string{`{"oslo.message": "{\"method\": 7}"}`, `{"oslo.message": "{\"method\":`, `[]`, ``} {
		r := Record{Body: []byte(body)}
		for _, r.Point = range []spanbuilder.Point{spanbuilder.Published, spanbuilder.Delivered, spanbuilder.Delivered} {
			_, v := set.Decode(&r, &m)
			require.NotEqual(t, Decoded, v, body)
		}
	}
}

func TestOtherArgumentsAskedForAreReadOfKnownBodies(t *testing.T) {
	set, err := NewSet(Limits{}, "oslo")
	require.NoError(t, err)
	r := Record{Point: spanbuilder.Published, Exchange: "nova", RoutingKey: "c", Body: envelope(argsText)}
	var m spanbuilder.Message
	set.Decode(&r, &m)
	set.ReadArgs([]string{"objmethod"})
	r.Point = spanbuilder.Delivered
	set.Decode(&r, &m)
	require.Equal(t, "save", m.Args.Get("objmethod"))
}

func FuzzOsloTwins(f *testing.F) {
	for i, r := range captured(f) {
		if len(r.Body) < 1500 || i%20 == 0 {
			f.Add(r.Body)
		}
	}
	f.Add(envelope(argsText))
	f.Fuzz(func(t *testing.T, body []byte) {
		second, alone, _ := twice(t, Record{Exchange: "nova", RoutingKey: "c", Body: body}, "objname", "count")
		require.Equal(t, alone, second)
	})
}
