package spanbuilder

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestAFloodOfOpenCallsGivesUpTheOldest(t *testing.T) {
	const limit, n = 100, 1000
	var all []Message
	for i := range n {
		all = append(all, call4(fmt.Sprintf("call-number-%012d", i))[:2]...)
	}
	got, stats := replay(t, newTracer(t, nil), PairerOptions{MaxOpen: limit}, all)
	require.EqualValues(t, n-limit, stats.Evicted)
	require.Len(t, got, 2*n, "each half is emitted as it is")
	require.EqualValues(t, 2*n, stats.Incomplete)
}

func TestAFloodOfTracesAndProcessesIsBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{MaxOpen: 50, MaxProcesses: 64})
	for i := range 5000 {
		m := Message{
			Time: t0 + int64(i), Point: Published + Point(i%2), Form: FormCast, ID: fmt.Sprintf("cast-%020d", i/2),
			Connection: fmt.Sprint("c", i), Queue: "q", Topic: fmt.Sprint("t", i), Method: fmt.Sprint("m", i),
			RequestID: string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1})),
		}
		p.Observe(tracer, &m)
		require.LessOrEqual(t, p.traces.index.n, 50)
		require.LessOrEqual(t, len(p.casts.byKey), 50)
		require.LessOrEqual(t, len(p.processes.nodes), 64)
		require.LessOrEqual(t, len(p.processes.byKey), 64)
	}
	require.LessOrEqual(t, len(p.routes), maxRoutes)
	require.NotZero(t, p.Stats().Forgotten)
	p.Flush(tracer, t0)
	require.Zero(t, p.Stats().Traces)
}

func TestManyWorksOfOneTraceAreBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	for i := range 500 {
		for _, m := range call4(fmt.Sprintf("call-number-%012d", i))[:2] {
			p.Observe(tracer, &m)
		}
	}
	for _, tr := range openTraces(t, p) {
		require.EqualValues(t, maxActivities, tr.works)
	}
	p.Flush(tracer, t0)
	require.Zero(t, p.traces.index.n)
}

func TestHostileMessagesAreCountedNotKept(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	m := call4(long)[0]
	m.Method, m.Topic, m.Exchange, m.UserID, m.Queue = long, long, long, long, long
	got, _ := observed(t, m)
	for _, s := range got {
		for _, tag := range s.Tags {
			require.LessOrEqual(t, len(tag.Value), maxText)
			require.NotContains(t, tag.Value, "\ufffd")
			require.Equal(t, strings.ToValidUTF8(tag.Value, "?"), tag.Value)
		}
		require.LessOrEqual(t, len(s.Local.Service), maxText)
	}
	_, stats := observed(t,
		Message{}, Message{Time: t0}, Message{Time: t0, Point: Published}, Message{Time: -1, Point: Published, Form: FormCall},
		Message{Time: 1 << 62, Point: Published, Form: FormCast}, Message{Time: t0, Point: 9, Form: FormCast},
		Message{Time: t0, Point: Published, Form: 99}, Message{Time: t0, Point: Published, Form: FormCall},
	)
	require.EqualValues(t, 8, stats.Invalid)
}

func TestAHundredThousandOpenCallsFitTheirMemory(t *testing.T) {
	const n = 100_000
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	before := heap()
	for i := range n {
		for _, m := range call4(fmt.Sprintf("%032x", i))[:2] {
			m.RequestID = string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1}))
			m.Connection = fmt.Sprint("connection ", i%1000)
			m.Time = t0 + int64(i)
			p.Observe(tracer, &m)
		}
	}
	used := heap() - before
	require.EqualValues(t, n, p.Stats().Open)
	t.Logf("%d bytes an open call", used/n)
	require.Less(t, used, int64(44<<20), "the collector lets the process grow by more than what lives")
	p.Flush(tracer, t0)
	require.Zero(t, p.Stats().Open)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
