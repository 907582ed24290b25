package sampling

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const second = int64(1e9)

func took(b *Bucket, now int64, tries int) (n int) {
	for range tries {
		if b.Take(now) {
			n++
		}
	}
	return n
}

func TestABucketGivesItsBurstAndThenItsRate(t *testing.T) {
	b := NewBucket(50, 100)
	now := 1_700_000_000 * second
	require.Equal(t, 100, took(b, now, 1000))
	require.Equal(t, 50, took(b, now+second, 1000))
	require.Equal(t, 25, took(b, now+second+second/2, 1000))
	require.Equal(t, 100, took(b, now+100*second, 1000), "it holds no more than its burst")
}

func TestSlowAndFastRates(t *testing.T) {
	b := NewBucket(1.0/60, 0)
	require.Equal(t, 1, took(b, second, 10))
	require.Equal(t, 0, took(b, 30*second, 10))
	require.Equal(t, 1, took(b, 61*second, 10))
	require.Equal(t, 1_000_000, took(NewBucket(1e9, 1_000_000), second, 1_000_001))
}

func TestAClockThatJumpsBackDoesNotStopTheBucket(t *testing.T) {
	b := NewBucket(10, 10)
	require.Equal(t, 10, took(b, 3600*second, 100))
	require.LessOrEqual(t, took(b, 5*second, 100), 10)
	require.NotZero(t, took(b, 7*second, 100))
}

// Of two who ask at the same time the one that read the clock first may come second. That is no jump of the clock: taken for one, it
// would fill an empty bucket.
func TestWhoComesLateToAnEmptyBucketGetsNothing(t *testing.T) {
	b := NewBucket(10, 20)
	now := 1_700_000_000 * second
	require.Equal(t, 20, took(b, now, 100))
	for late := range int64(1000) {
		require.False(t, b.Take(now-late*1000))
	}
}

// One in a few centuries is not any number.
func TestARateTooSlowForTheClockLetsItsBurstThrough(t *testing.T) {
	for _, perSecond := range []float64{1e-9, 1e-10, 1e-20, 5e-324} {
		b := NewBucket(perSecond, 0)
		require.Equal(t, 1, took(b, 1_700_000_000*second, 100), perSecond)
		require.Zero(t, took(b, 1_700_000_001*second, 100), perSecond)
	}
}

// Whoever asks at the same time gets no more than there is.
func TestABucketIsExactUnderContention(t *testing.T) {
	b := NewBucket(1, 1000)
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { n.Add(int64(took(b, second, 1000))) })
	}
	wg.Wait()
	require.EqualValues(t, 1000, n.Load())
}
