package amqptap

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// counting is a Sink that counts.
type counting int

func (c *counting) Offer(*span.Span) { *c++ }

// BenchmarkEvent is all that the tap does with a delivery of the library's, from its header table to the
// offered span, over the captured nova boot: dialect, pairing, keys, spans. In each round time goes on and
// the ids are new, so that no message is a duplicate.
func BenchmarkEvent(b *testing.B) {
	records := bootRecords(b)
	rules, err := keyrules.Compile(keyrules.Config{})
	require.NoError(b, err)
	sink := new(counting)
	tr := &spanbuilder.Tracer{Rules: rules, Head: sampling.All, Link: spanbuilder.LinkOpenStack, Sink: sink}
	st, err := newStream(dialect.Limits{}, nil, spanbuilder.PairerOptions{})
	require.NoError(b, err)
	var m spanbuilder.Message
	var r dialect.Record
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%len(records) == 0 {
			b.StopTimer()
			for j := range records {
				records[j].renew(i)
			}
			b.StartTimer()
		}
		d := &records[i%len(records)]
		if !fromFirehose(d.key, d.headers, d.body, &r) {
			b.Fatal("not a firehose message")
		}
		r.Time = d.time
		st.observe(tr, &r, &m)
	}
	b.ReportMetric(float64(*sink)/float64(b.N), "spans/op") // 32 of 58 events end one
}

// renew moves a message on by a minute and gives it ids of its own round.
func (r *received) renew(round int) {
	r.time += 60_000_000
	for _, name := range []string{`_msg_id\": \"`, `_unique_id\": \"`} {
		if i := bytes.Index(r.body, []byte(name)); i >= 0 {
			copy(r.body[i+len(name):], fmt.Sprintf("%08x", round))
		}
	}
}

type received struct {
	time    int64
	key     string
	headers map[string]any
	body    []byte
}

func bootRecords(b *testing.B) (all []received) {
	f, err := os.Open(novaBoot)
	require.NoError(b, err)
	defer f.Close()
	in := newCaptureReader(f)
	var r dialect.Record
	for {
		bad, err := in.next(&r)
		if err != nil {
			return all
		}
		require.NoError(b, bad)
		l, err := decodeLine(in.line)
		require.NoError(b, err)
		all = append(all, received{r.Time, l.RoutingKey, l.Headers, l.Body})
	}
}
