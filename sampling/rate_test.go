package sampling

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func trace(n int) span.TraceID { return span.TraceID{High: 7, Low: uint64(n) + 1} }

// passed is how many of the traces from..from+n pass.
func passed(r *Rate, from, n int) (taken int) {
	for i := range n {
		if r.Takes(trace(from + i)) {
			taken++
		}
	}
	return taken
}

// The time is the process's own, so that neither a clock that is set nor messages that come late change the rate.
func TestARateIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, asked, taken := NewRate(50, 100), 0, 0
		step := func(n int) int {
			asked += n
			got := passed(r, asked-n, n)
			taken += got
			return got
		}
		require.Equal(t, 100, step(5000), "the burst")
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			step(1000)
		}
		require.Equal(t, 100+60*50, taken, "and fifty in each second of a minute")
		time.Sleep(time.Hour)
		require.Equal(t, 100, step(1000), "no more than the burst after an hour")
	})
}

// A request asks for its trace, and each RPC that names it asks again.
func TestATraceCostsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRate(1, 2)
		require.True(t, r.Takes(trace(1)))
		require.True(t, r.Takes(trace(2)))
		require.False(t, r.Takes(trace(3)))
		time.Sleep(time.Minute)
		for range 10 {
			require.True(t, r.Takes(trace(1)))
			require.False(t, r.Takes(trace(3)), "half a trace would be none")
		}
		require.Equal(t, 2, passed(r, 10, 10), "nothing was spent on those")
	})
}

// Whoever floods with traces drives no trace out that is recorded: those that fail are remembered apart.
func TestAFloodLeavesTheRecordedOnesAlone(t *testing.T) {
	r := NewRate(1e-6, 3)
	require.Equal(t, 3, passed(r, 0, 3))
	require.Zero(t, passed(r, 1000, 10*remembered))
	require.Equal(t, 3, passed(r, 0, 3))
	require.Len(t, r.failed.ids, remembered)
	require.Len(t, r.failed.order, remembered)
}

func TestARateIsExactUnderContention(t *testing.T) {
	r := NewRate(1e-6, 1000)
	var n atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { n.Add(int64(passed(r, w*10_000, 1000))) })
	}
	wg.Wait()
	require.EqualValues(t, 1000, n.Load())
}
