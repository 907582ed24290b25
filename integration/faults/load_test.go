package faults

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// load is programs that go on calling, whatever happens. What their calls come to is kept by the phase of the test in which they
// began.
type load struct {
	Options
	address string
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	phase   atomic.Pointer[string]

	mu       sync.Mutex // guards outcomes
	outcomes map[string][]outcome
}

// Options of a load.
type Options struct {
	Callers int           // default 2
	Every   time.Duration // between two calls of one caller, default 20ms
	Wait    time.Duration // for a reply, default 10s
	Padding string        // an argument of each call
}

func startLoad(t testing.TB, address, phase string, o Options) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{Options: o, address: address, cancel: cancel, outcomes: map[string][]outcome{}}
	l.Callers, l.Every, l.Wait = or(o.Callers, 2), or(o.Every, 20*time.Millisecond), or(o.Wait, 10*time.Second)
	l.enter(phase)
	for range l.Callers {
		l.wait.Go(func() { l.run(ctx) })
	}
	t.Cleanup(l.stop)
	return l
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// enter begins a phase.
func (l *load) enter(phase string) { l.phase.Store(&phase) }

func (l *load) run(ctx context.Context) {
	var c *caller
	for ctx.Err() == nil {
		if c == nil {
			var err error
			if c, err = newCaller(l.address, l.Wait); err != nil {
				pause(ctx, retryTime)
				continue
			}
			c.padding = l.Padding
		}
		phase := *l.phase.Load()
		o := c.call("ping", topic)
		l.mu.Lock()
		l.outcomes[phase] = append(l.outcomes[phase], o)
		l.mu.Unlock()
		if o.failed == lost {
			c.conn.Close()
			c = nil
		}
		pause(ctx, l.Every)
	}
	if c != nil {
		c.conn.Close()
	}
}

// stop ends the calling. It may be called again.
func (l *load) stop() {
	l.cancel()
	l.wait.Wait()
}

// of returns what the calls of a phase came to so far.
func (l *load) of(phase string) []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.outcomes[phase])
}

// all returns all outcomes.
func (l *load) all() (all []outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.outcomes {
		all = append(all, o...)
	}
	return all
}

// await waits until n calls that began in the phase were answered.
func (l *load) await(t testing.TB, phase string, n int) []outcome {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		if done := len(answered(l.of(phase))); done < n {
			return fmt.Errorf("%d calls of phase %s were answered, want %d", done, phase, n)
		}
		return nil
	})
	return l.of(phase)
}

// answered are those whose caller got its reply.
func answered(outcomes []outcome) (good []outcome) {
	for _, o := range outcomes {
		if o.failed == "" {
			good = append(good, o)
		}
	}
	return good
}

// requireUnhurt: every call was confirmed and answered, and none returned.
func requireUnhurt(t testing.TB, outcomes []outcome) {
	t.Helper()
	require.NotEmpty(t, outcomes)
	for _, o := range outcomes {
		require.Empty(t, o.failed, "a program was hurt: %+v", o)
	}
}

// confirms are the times in which the broker confirmed.
func confirms(outcomes []outcome) (times []time.Duration) {
	for _, o := range outcomes {
		if o.confirmed > 0 {
			times = append(times, o.confirmed)
		}
	}
	return times
}

// replies are the times in which the replies came.
func replies(outcomes []outcome) (times []time.Duration) {
	for _, o := range outcomes {
		if o.answered > 0 {
			times = append(times, o.answered)
		}
	}
	return times
}

// quantile of times, in ms.
func quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	times = slices.Sorted(slices.Values(times))
	return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000
}

// disturbance is what others on the machine may add to a time that is a millisecond or two. A queue that held up its publishers would
// add seconds.
const disturbance = 20.0

// requireNoSlower: half of the confirms came in so many times the time at most in which they do otherwise.
func requireNoSlower(t testing.TB, what string, times float64, with, without []time.Duration) {
	t.Helper()
	ratio(t, "confirms, "+what, 0.5, with, without)
	require.Less(t, quantile(with, 0.5), times*quantile(without, 0.5)+disturbance, what)
}

// ratio of two phases' quantiles, which it also logs.
func ratio(t testing.TB, what string, q float64, with, without []time.Duration) float64 {
	t.Helper()
	a, b := quantile(with, q), quantile(without, q)
	require.Positive(t, b)
	t.Logf("%s, p%.0f: %.2f ms ÷ %.2f ms = %.2f (%d, %d)", what, 100*q, a, b, a/b, len(with), len(without))
	return a / b
}

// visitors are HTTP clients of calltap's site.
type visitors struct {
	site   *harness.Calltap
	cancel context.CancelFunc
	wait   sync.WaitGroup
	served atomic.Int64
	failed atomic.Int64
}

func startVisitors(t testing.TB, c *harness.Calltap) *visitors {
	t.Helper()
	v := &visitors{site: c}
	v.start(t)
	t.Cleanup(v.stop)
	return v
}

func (v *visitors) start(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	v.wait.Go(func() {
		for ctx.Err() == nil {
			if _, err := harness.Get(v.site.URL() + "/visit"); err != nil {
				t.Logf("an HTTP request failed: %v", err)
				v.failed.Add(1)
			}
			v.served.Add(1)
			pause(ctx, 20*time.Millisecond)
		}
	})
}

// stop ends the visits. It may be called again, and the visitors may start once more.
func (v *visitors) stop() {
	v.cancel()
	v.wait.Wait()
}

// requireServed ends the visits: all were served, and each is a span.
func (v *visitors) requireServed(t testing.TB, c *harness.Calltap) {
	t.Helper()
	v.stop()
	require.Zero(t, v.failed.Load(), "HTTP requests failed")
	require.Positive(t, v.served.Load())
	harness.Eventually(t, patience, func() error {
		traces, err := c.Store().Traces(url.Values{"serviceName": {"site"}, "limit": {"10000"}})
		if err == nil && len(traces) != int(v.served.Load()) {
			err = fmt.Errorf("%d traces of %d HTTP requests", len(traces), v.served.Load())
		}
		return err
	})
}
