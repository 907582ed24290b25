package sampling

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// sink parts what metrics get from what tracers get, as a pipeline does.
type sink struct {
	mu      sync.Mutex
	metrics []span.Span
	tracers []span.Span
}

func (k *sink) Offer(s *span.Span) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !s.Counted {
		k.metrics = append(k.metrics, *s)
	}
	if s.Sampled {
		k.tracers = append(k.tracers, *s)
	}
}

func (k *sink) names() (names []string) {
	for i := range k.tracers {
		names = append(names, k.tracers[i].Name)
	}
	return names
}

func spanOf(trace span.TraceID, name string) *span.Span {
	return &span.Span{TraceID: trace, ID: span.ID(rand.Uint64() | 1), Parent: 1, Name: name, Start: 1, Duration: 10}
}

func failed(trace span.TraceID, name string) *span.Span {
	s := spanOf(trace, name)
	s.Error = "ValueError"
	return s
}

// http is a request from its beginning; the function ends it as its handler does.
func http(h *Holder, trace span.TraceID, more bool, to Sink) func(name string, reason bool) Fate {
	h.Begin(trace)
	return func(name string, reason bool) Fate {
		fate := h.End(trace, reason, more, to)
		s := spanOf(trace, name)
		s.Sampled = fate == Kept
		to.Offer(s)
		if fate == Held {
			h.Hold(s, to)
		}
		return fate
	}
}

var errors = &Keep{Errors: true}

// Where spans are held, time is the test's own: on a slow machine they would be let go before it looks.

func TestATraceIsKeptAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		end := http(&h, trace(1), true, to)
		h.Offer(spanOf(trace(1), "rpc before"), nil, to)
		h.Offer(spanOf(trace(2), "rpc of another"), nil, to)
		require.Empty(t, to.tracers)
		require.Len(t, to.metrics, 2, "metrics do not wait")
		require.Equal(t, 1, h.Stats().Spans)
		require.Equal(t, Kept, end("request", true))
		h.Offer(spanOf(trace(1), "rpc behind"), nil, to)
		require.Equal(t, []string{"rpc before", "request", "rpc behind"}, to.names())
		require.Len(t, to.metrics, 4, "and count each span once")
		require.Equal(t, Stats{Kept: 1}, h.Stats())
	})
}

func TestWhatGivesNoReasonIsLetGoAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		end := http(&h, trace(1), true, to)
		h.Offer(spanOf(trace(1), "rpc"), nil, to)
		require.Equal(t, Held, end("request", false))
		h.Offer(spanOf(trace(1), "cast"), nil, to)
		require.Equal(t, 3, h.Stats().Spans)
		time.Sleep(Wait + time.Second)
		require.Equal(t, Stats{LetGo: 1}, h.Stats())
		h.Offer(spanOf(trace(1), "much later"), nil, to)
		require.Empty(t, to.tracers)
		require.Len(t, to.metrics, 4)
		require.Equal(t, Stats{LetGo: 1}, h.Stats())
	})
}

// Without a source nothing comes behind a request's end, so nothing is held for it.
func TestARequestAloneIsDecidedAtItsEnd(t *testing.T) {
	var h Holder
	to := &sink{}
	require.Equal(t, LetGo, http(&h, trace(1), false, to)("fine", false))
	require.Equal(t, Kept, http(&h, trace(2), false, to)("bad", true))
	require.Equal(t, []string{"bad"}, to.names())
	require.Equal(t, Stats{Kept: 1, LetGo: 1}, h.Stats())
}

// nova calls glance through the same calltap: one of them fails, and both are kept, whichever it is.
func TestRequestsOfOneTraceHaveOneFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, inner := range []bool{false, true} {
			var h Holder
			to := &sink{}
			outer := http(&h, trace(1), false, to)
			require.Equal(t, map[bool]Fate{false: Held, true: Kept}[inner], http(&h, trace(1), false, to)("inner", inner))
			require.Equal(t, Kept, outer("outer", !inner))
			require.ElementsMatch(t, []string{"inner", "outer"}, to.names())
			require.Len(t, to.metrics, 2)
		}
		var h Holder
		to := &sink{}
		outer := http(&h, trace(1), false, to)
		require.Equal(t, Held, http(&h, trace(1), false, to)("inner", false))
		require.Equal(t, LetGo, outer("outer", false))
		require.Empty(t, to.tracers)
		require.Equal(t, Stats{LetGo: 1}, h.Stats())
	})
}

// A boot is answered with 202, and fails in the scheduler afterwards.
func TestAnRPCThatFailsKeepsTheRequestThatCausedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		require.Equal(t, Held, http(&h, trace(1), true, to)("202", false))
		h.Offer(spanOf(trace(1), "cast"), errors, to)
		h.Offer(failed(trace(1), "select_destinations"), errors, to)
		h.Offer(spanOf(trace(1), "later"), errors, to)
		require.Equal(t, []string{"202", "cast", "select_destinations", "later"}, to.names())
		require.Len(t, to.metrics, 4)
	})
}

func TestATraceWithoutARequestIsKeptForItsRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		h.Offer(spanOf(trace(1), "child"), errors, to)
		h.Offer(failed(trace(1), "root"), errors, to)
		require.Equal(t, []string{"child", "root"}, to.names())
		h.Offer(spanOf(trace(2), "child"), errors, to)
		h.Offer(spanOf(trace(3), "nobody asked for reasons"), nil, to)
		require.Equal(t, 1, h.Stats().Spans)
		time.Sleep(Wait + 1)
		require.Equal(t, Stats{Kept: 1, LetGo: 1}, h.Stats())
		h.Offer(failed(trace(2), "the end of it"), errors, to)
		require.Equal(t, []string{"child", "root", "the end of it"}, to.names(), "better than nothing of it")
	})
}

// Only what a trace began with tells how long somebody waited for it.
func TestASlowRPCIsAReasonAsTheRootAlone(t *testing.T) {
	slow := &Keep{Slower: 2 * time.Second}
	s := spanOf(trace(1), "build")
	s.Duration = 30e6
	require.False(t, slow.Span(s))
	s.Parent = 0
	require.True(t, slow.Span(s))
	s.Duration = 2e6 - 1
	require.False(t, slow.Span(s))
	require.False(t, slow.Span(failed(trace(1), "x")))
	var none *Keep
	require.False(t, none.Span(s) || none.Request(true, 500, time.Hour))
}

func TestReasonsOfARequest(t *testing.T) {
	k := &Keep{Errors: true, Statuses: [][2]int{{429, 429}, {300, 399}}, Slower: time.Second}
	require.True(t, k.Request(true, 200, 0))
	require.True(t, k.Request(false, 429, 0))
	require.True(t, k.Request(false, 399, 0))
	require.True(t, k.Request(false, 200, time.Second))
	require.False(t, k.Request(false, 400, time.Second-1))
	require.False(t, k.Request(false, 101, time.Hour), "a websocket is not slow")
	require.True(t, k.Request(true, 101, time.Hour))
	require.False(t, (&Keep{}).Request(true, 500, time.Hour))
}

// What a rule or an operator decided for good is neither held nor kept.
func TestWhatIsSettledStays(t *testing.T) {
	var h Holder
	to := &sink{}
	end := http(&h, trace(1), true, to)
	s := failed(trace(1), "off")
	s.Settled = true
	h.Offer(s, errors, to)
	end("request", true)
	h.Offer(s, errors, to)
	require.Equal(t, []string{"request"}, to.names())
	require.Len(t, to.metrics, 3)
}

// A flood of undecided traces takes the memory that it is given and no more, and each span it drives out is counted.
func TestAFloodIsBoundedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		const n = 3 * MaxSpans
		for i := range n {
			h.Offer(spanOf(trace(i), "x"), errors, to)
		}
		s := h.Stats()
		require.LessOrEqual(t, s.Spans, MaxSpans)
		require.LessOrEqual(t, s.Bytes, MaxBytes)
		require.Greater(t, s.Spans, MaxSpans/2)
		require.EqualValues(t, n, s.EvictedSpans+int64(s.Spans))
		require.EqualValues(t, n, s.EvictedTraces+int64(s.Traces))
		require.Len(t, to.metrics, n, "metrics lose nothing")

		whole := spanOf(trace(0), "large")
		for range 2000 {
			whole.Tags = append(whole.Tags, span.Tag{Key: "a tag of some length", Value: "and its value"})
		}
		for i := range 2000 {
			whole.TraceID = trace(i)
			h.Offer(whole, errors, to)
		}
		require.LessOrEqual(t, h.Stats().Bytes, MaxBytes)
	})
}

// Requests that are under way may tell their fate: they are given up after all others.
func TestAFloodOfRPCDoesNotDriveOutRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		end := http(&h, trace(-1), true, to)
		h.Offer(spanOf(trace(-1), "rpc"), nil, to)
		for i := range 2 * MaxSpans {
			h.Offer(spanOf(trace(i), "x"), errors, to)
		}
		end("request", true)
		require.Equal(t, []string{"rpc", "request"}, to.names())
	})
}

func TestOneTraceCannotTakeAllRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		for range 5 * traceSpans {
			h.Offer(spanOf(trace(1), "x"), errors, to)
		}
		require.Equal(t, traceSpans, h.Stats().Spans)
		require.EqualValues(t, 4*traceSpans, h.Stats().EvictedSpans)
		h.Offer(failed(trace(1), "end"), errors, to)
		require.Len(t, to.tracers, traceSpans+1)
	})
}

// Requests that never end, or whose end nobody tells, take room that is bounded too.
func TestRequestsThatNeverEndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		const n = 3 * holderShards * shardTraces
		for i := range n {
			h.Begin(trace(i))
		}
		require.LessOrEqual(t, h.Stats().Traces, holderShards*shardTraces)
		require.Equal(t, Kept, h.End(trace(0), true, false, to), "an evicted one that fails after all")
		require.Equal(t, LetGo, h.End(trace(1), false, false, to))
	})
}

// A websocket of hours: what its RPC left behind is given up after Life, and its own fate is open still.
func TestWhatIsHeldForTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		end := http(&h, trace(1), true, to)
		h.Offer(spanOf(trace(1), "early"), nil, to)
		time.Sleep(Life + time.Second)
		h.Offer(spanOf(trace(1), "late"), nil, to)
		require.EqualValues(t, 1, h.Stats().EvictedSpans)
		require.Equal(t, Kept, end("request", true))
		require.Equal(t, []string{"late", "request"}, to.names())
	})
}

// One of which nothing more is heard holds nothing for longer either.
func TestASilentTraceHoldsNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		end := http(&h, trace(1), true, to)
		h.Offer(spanOf(trace(1), "early"), nil, to)
		time.Sleep(Life + time.Second)
		got := h.Stats()
		require.Equal(t, Stats{Traces: 1, EvictedSpans: 1}, got)
		require.Equal(t, Kept, end("request", true))
		require.Equal(t, []string{"request"}, to.names())
	})
}

// Whatever the order, a trace is whole or not there, and every span is counted by metrics once.
func TestRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h Holder
		to := &sink{}
		const traces, rpcs = 400, 8
		var wg sync.WaitGroup
		for i := range traces {
			reason := i%2 == 0
			wg.Go(func() {
				end := http(&h, trace(i), true, to)
				for range rpcs {
					wg.Go(func() { h.Offer(spanOf(trace(i), "rpc"), nil, to) })
				}
				end("request", reason)
			})
			wg.Go(func() { h.Stats() })
		}
		wg.Wait()
		require.Len(t, to.metrics, traces*(rpcs+1))
		got := map[span.TraceID]int{}
		for i := range to.tracers {
			got[to.tracers[i].TraceID]++
		}
		require.Len(t, got, traces/2)
		for _, n := range got {
			require.Equal(t, rpcs+1, n)
		}
	})
}

func BenchmarkARequestThatIsLetGo(b *testing.B) {
	var h Holder
	to := &sink{}
	b.ReportAllocs()
	for i := range b.N {
		h.Begin(trace(i))
		h.End(trace(i), false, false, to)
	}
}
