package statsd

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// requestSpans are a batch of requests of a few routes, as they come.
func requestSpans(n int) []span.Span {
	keys := [...]string{"nova.api.servers.show.GET", "nova.api.servers.detail.GET", "nova.api.servers.reboot.POST"}
	batch := make([]span.Span, n)
	for i := range batch {
		batch[i] = span.Span{TraceID: span.TraceID{Low: 1}, ID: 1, Start: 1, Kind: span.KindServer, Duration: int64(1000 + i*7), Key: keys[i%len(keys)]}
	}
	return batch
}

func benchEmitter(tb testing.TB) *Emitter {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(tb, err)
	e, err := New(Config{Address: conn.LocalAddr().String(), Prefix: "bench"})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, e.Close())
		require.NoError(tb, conn.Close())
	})
	return e
}

// BenchmarkEmit is all that StatsD costs a request: its part of a batch of 1,000, sent.
func BenchmarkEmit(b *testing.B) {
	e, batch := benchEmitter(b), requestSpans(1000)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		e.Emit(context.Background(), batch[:min(len(batch), b.N-n)])
	}
}

// BenchmarkMetrics is the same without the system calls.
func BenchmarkMetrics(b *testing.B) { benchmarkMetrics(b, requestSpans(1000)) }

// BenchmarkMetricsOfAttempts is that of the spans that upstream_spans adds, one a request.
func BenchmarkMetricsOfAttempts(b *testing.B) { benchmarkMetrics(b, attemptSpans(1000)) }

func benchmarkMetrics(b *testing.B, batch []span.Span) {
	e := benchEmitter(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch) {
		e.packer.begin(nil, 1<<30)
		for i := range batch[:min(len(batch), b.N-n)] {
			e.metrics(&batch[i])
		}
	}
}

// attemptSpans are of requests to upstreams that answered on connections that were there.
func attemptSpans(n int) []span.Span {
	batch := requestSpans(n)
	for i := range batch {
		s := &batch[i]
		s.Kind, s.Key = span.KindClient, s.Key+".upstream"
		s.Notes = []span.Note{{Time: 1, Value: "request_sent"}, {Time: 1, Value: "first_byte"}}
		s.Timers = []span.Timer{{Name: "latency", Micros: s.Duration / 2}}
	}
	return batch
}

// Timers are formatted here for speed; what a server reads must be what the client would have sent.
func TestTimersAreTheClientsOwnLines(t *testing.T) {
	for _, prefix := range []string{"", "openstack.lab"} {
		e, err := New(Config{Address: "127.0.0.1:9", Prefix: prefix})
		require.NoError(t, err)
		e.packer.limit = 1 << 20
		for _, micros := range []int64{0, 1, 10, 100, 999, 1000, 1010, 12_345, 12_300, 1_000_000, 86_400_000_001, 1 << 52} {
			for _, suffix := range []string{"", "total", "queue.wait:1|c"} {
				e.packer.begin(nil, 1<<20)
				e.time(e.seriesOf("nova.api:x.GET"), suffix, micros)
				ours := string(e.packer.buf)
				e.packer.begin(nil, 1<<20)
				require.NoError(t, e.client.TimingDuration(string(appendName(nil, "nova.api:x.GET", suffix)), time.Duration(micros)*time.Microsecond, 1))
				require.Equal(t, string(e.packer.buf), ours)
			}
		}
		require.NoError(t, e.Close())
	}
}

func TestKeysOfThePastAreForgotten(t *testing.T) {
	e := benchEmitter(t)
	for i := range 3 * keptNames {
		s := span.Span{TraceID: span.TraceID{Low: 1}, ID: 1, Start: 1, Duration: 1, Key: fmt.Sprint("k", i)}
		require.Equal(t, 1, e.Emit(t.Context(), []span.Span{s}).Emitted)
	}
	require.LessOrEqual(t, len(e.series), keptNames+1)
	require.LessOrEqual(t, len(e.counts), keptNames+1)
}

// The counters of the first notes of a key are remembered, those of more of them looked up; both must count.
func TestNotesOfAKeyAreCountedHoweverManyThereAre(t *testing.T) {
	e := benchEmitter(t)
	s := span.Span{TraceID: span.TraceID{Low: 1}, ID: 1, Start: 1, Key: "k"}
	for i := range 2 * maxNoted {
		s.Notes = append(s.Notes, span.Note{Time: 1, Value: fmt.Sprint("note", i)})
	}
	for _, forgotten := range []bool{false, false, true, false} {
		if forgotten {
			clear(e.counts)
			clear(e.series)
		}
		e.metrics(&s)
		e.metrics(&s)
		for _, note := range s.Notes {
			require.EqualValues(t, 2, *e.counts["k."+note.Value], note.Value)
		}
		require.Len(t, e.series["k"].notes, maxNoted)
		e.packer.begin(nil, 1<<20)
		e.flushCounts()
	}
}

func TestEmitAllocatesNothingASpan(t *testing.T) {
	e, batch := benchEmitter(t), requestSpans(1000)
	require.Less(t, testing.AllocsPerRun(20, func() { e.Emit(context.Background(), batch) }), 20.0, "a batch of 1,000")
}
