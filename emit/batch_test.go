package emit

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// Whoever is slow must find in its batches what was offered, however often their memory was used for others meanwhile.
func TestMemoryOfABatchIsNotUsedAgainWhileAnybodyHasIt(t *testing.T) {
	const n = 40_000
	var wrong, seen [2]atomic.Int64
	check := func(i, every int) *probe {
		batches := 0
		return &probe{name: string(rune('a' + i)), emit: func(_ context.Context, b []span.Span) Outcome {
			for round := range 2 { // the second look comes when others have gone on
				for j := range b {
					if b[j].Name != b[j].ID.String() {
						wrong[i].Add(1)
					}
				}
				if batches++; round == 0 && batches%every == 0 {
					for range 200 {
						runtime.Gosched()
					}
				}
			}
			seen[i].Add(int64(len(b)))
			return Outcome{Emitted: len(b)}
		}}
	}
	p := New(Options{MaxBatch: 64, Interval: time.Millisecond}, check(0, 1), check(1, 100))
	for i := range n {
		s := testSpan(i)
		s.Name = s.ID.String()
		p.Offer(&s)
		if i%4096 == 0 {
			require.NoError(t, p.Flush(soon(t)))
		}
	}
	require.NoError(t, p.Close(soon(t)))
	requireBalance(t, p.Status())
	for i := range seen {
		require.Zero(t, wrong[i].Load())
		require.Greater(t, seen[i].Load(), int64(n/2))
	}
}

func TestLargeBatchesMakeNoGarbage(t *testing.T) {
	p := New(Options{Interval: time.Hour}, sinkhole{})
	round := func() {
		for i := range 2000 {
			s := testSpan(i)
			p.Offer(&s)
		}
		require.NoError(t, p.Flush(soon(t)))
	}
	for range 4 {
		round()
	}
	made := make(map[*block]bool)
	for range 20 {
		round()
		for _, b := range p.blocks[0].free {
			made[b] = true
		}
	}
	require.NoError(t, p.Close(soon(t)))
	require.NotEmpty(t, made)
	require.LessOrEqual(t, len(made), 4, "blocks, for 20 rounds of %d spans", 2000)
}

func TestBlocksOfABurstAreGivenBack(t *testing.T) {
	r := newRacks(100)
	var burst []batch
	for range 10 {
		burst = append(burst, r.batch(100))
	}
	for i := range burst {
		burst[i].letGo()
	}
	require.Len(t, r[0].free, 10)
	for range 2 * period {
		b := r.batch(60)
		b.letGo()
		r.tick()
	}
	require.Len(t, r[0].free, 1, "one is in use now and then")
	for range period {
		r.tick()
	}
	require.Empty(t, r[0].free)
}

// A block that is nearly empty is memory that no bound of the queue knows of.
func TestBlocksAreHalfFullAtLeast(t *testing.T) {
	for _, largest := range []int{1, 3, 100, 256} {
		r := newRacks(largest)
		for n := 1; n <= largest; n++ {
			b := r.batch(n)
			require.GreaterOrEqual(t, cap(b.spans), n)
			require.LessOrEqual(t, cap(b.spans), 2*n+1, "%d of %d", n, largest)
			require.Equal(t, n < r[len(r)-1].size/2, b.block == nil)
			b.letGo()
		}
	}
}

func TestASpanLetGoIsKeptByNothing(t *testing.T) {
	r := newRacks(4)
	b := r.batch(4)
	b.spans = append(b.spans, testSpan(1), testSpan(2))
	block := b.block
	b.keep()
	b.letGo()
	require.Empty(t, r[0].free, "one has it still")
	block.holders.Add(-1)
	r[0].put(block)
	for _, s := range block.room[:4] {
		require.Zero(t, s)
	}
}
