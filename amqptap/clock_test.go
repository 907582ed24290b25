package amqptap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// event is one copy on its way from the broker to the tap.
type event struct {
	call, step int   // step: request published, delivered, reply published, delivered
	true       int64 // when it happened, µs
	sent       int64 // timestamp_in_ms of its message, by the broker's clock, µs
	ready      int64 // when it could be read by the tap
	got        int64 // when it was
	given      spanbuilder.Message
}

// world is a simulated broker and tap. Times are µs since some day in 2026; the tap's clock is right.
type world struct {
	rng     *rand.Rand
	rate    float64               // calls a second
	calls   int                   //
	skew    func(now int64) int64 // of the broker's clock
	queue   func(now int64) int64 // how long a copy waits at the broker
	stall   func(now int64) int64 // how long the tap does nothing after what it reads now
	liar    func(e *event) int64  // what a client writes in place of the broker; 0 is what the broker does
	unstamp bool                  // the broker writes nothing
}

const dayZero = 1_795_000_000 * second

func none(int64) int64 { return 0 }

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 7)), rate: 300, calls: 3000, skew: none, queue: none, stall: none,
		liar: func(*event) int64 { return 0 }}
}

// happen makes the calls, in the order in which the broker copies their messages.
func (w *world) happen() []*event {
	var all []*event
	at := dayZero
	length := func(mean float64) int64 { return int64(w.rng.ExpFloat64()*mean) + 20 }
	for i := range w.calls {
		at += int64(w.rng.ExpFloat64() * float64(second) / w.rate)
		t := at
		for step, wait := range []float64{0, 300, 5000, 300} {
			t += length(wait)
			all = append(all, &event{call: i, step: step, true: t})
		}
	}
	slices.SortFunc(all, func(a, b *event) int { return int(a.true - b.true) })
	taken := map[[2]int]int64{}
	for _, e := range all {
		key := [2]int{e.call, e.step / 2}
		if e.step%2 == 0 { // both copies of a message bear the time of its publication
			now := e.true + w.skew(e.true)
			if lie := w.liar(e); lie != 0 {
				now = lie
			}
			taken[key] = now / millisecond * millisecond
		}
		if e.sent = taken[key]; w.unstamp {
			e.sent = 0
		}
		e.ready = e.true + 150 + w.rng.Int64N(100) + w.queue(e.true)
	}
	return all
}

// observe is the tap's work.
func (w *world) observe(all []*event, c *clock) {
	free := dayZero
	c.caughtUp(free)
	before := int64(0)
	for _, e := range all {
		e.ready = max(e.ready, before) // a queue keeps its order
		before = e.ready
		if e.ready > free {
			c.caughtUp(free)
		}
		e.got = max(e.ready, free)
		free = e.got + 30 + w.stall(e.got)
		r := dialect.Record{Time: e.got, Sent: e.sent, Point: spanbuilder.Published}
		if e.step%2 == 1 {
			r.Point = spanbuilder.Delivered
		}
		c.stamp(&r, &e.given)
	}
}

// errors are how wrong each part of each call is, in order of size: the queue's, the service's, the reply's.
func errorsOf(all []*event) (parts []int64) {
	last := map[int]*event{}
	for _, e := range all {
		if p := last[e.call]; p != nil {
			wrong := (e.given.Time - p.given.Time) - (e.true - p.true)
			parts = append(parts, max(wrong, -wrong))
		}
		last[e.call] = e
	}
	slices.Sort(parts)
	return parts
}

// sane holds whatever the clocks do.
func sane(t *testing.T, all []*event) {
	t.Helper()
	last := int64(0)
	for _, e := range all {
		require.GreaterOrEqual(t, e.given.Time, last, "time ran backwards")
		require.LessOrEqual(t, e.given.Time, e.got, "a message was known before it was seen")
		require.GreaterOrEqual(t, e.given.Lag, int64(0))
		require.NotEqual(t, spanbuilder.ClockUnknown, e.given.Clock)
		last = e.given.Time
	}
}

func at(sorted []int64, share float64) int64 { return sorted[int(share*float64(len(sorted)-1))] }

// wave is a lag that comes and goes, from 0 to most, in a period.
func wave(most, period int64) func(int64) int64 {
	return func(now int64) int64 {
		phase := (now - dayZero) % period
		return most * min(phase, period-phase) * 2 / period
	}
}

// every stalls the tap for a time, once in a period.
func every(period, stall int64) func(int64) int64 {
	next := dayZero + period
	return func(now int64) int64 {
		if now < next {
			return 0
		}
		next = now + period
		return stall
	}
}

// steady is a lag that is always there but for the first moments, when the queue was new.
func steady(lag int64) func(int64) int64 {
	return func(now int64) int64 { return min(lag, (now-dayZero)/4) }
}

func TestLengthsAreRightWhateverTheTapAndTheClocksDo(t *testing.T) {
	t.Parallel()
	fixed := func(skew int64) func(int64) int64 { return func(int64) int64 { return skew } }
	const hour = 3600 * second
	half := dayZero + 5*second
	jump := func(by int64) func(int64) int64 {
		return func(now int64) int64 {
			if now < half {
				return 0
			}
			return by
		}
	}
	for name, c := range map[string]struct {
		set         func(w *world)
		median, p99 int64 // µs
	}{
		"nothing":               {func(w *world) {}, 150, 600},
		"lag 350 ms":            {func(w *world) { w.queue = steady(350 * millisecond) }, 300, 1500},
		"lag that waves":        {func(w *world) { w.queue = wave(350*millisecond, 2*second) }, 500, 2500},
		"tap stalls":            {func(w *world) { w.stall = every(second, 350*millisecond) }, 500, 4000},
		"tap stalls often":      {func(w *world) { w.stall = every(50*millisecond, 40*millisecond) }, 700, 4500},
		"bursts":                {func(w *world) { w.rate = 2000; w.stall = every(second, 200*millisecond) }, 700, 3000},
		"skew -2 h":             {func(w *world) { w.skew = fixed(-2 * hour); w.queue = wave(350*millisecond, 2*second) }, 500, 2500},
		"skew +2 h":             {func(w *world) { w.skew = fixed(2 * hour); w.queue = wave(350*millisecond, 2*second) }, 500, 2500},
		"skew 80 ms":            {func(w *world) { w.skew = fixed(80 * millisecond); w.queue = wave(350*millisecond, 2*second) }, 500, 2500},
		"broker set back 2 h":   {func(w *world) { w.skew = jump(-2 * hour) }, 200, 1500},
		"broker set ahead 2 h":  {func(w *world) { w.skew = jump(2 * hour) }, 200, 1500},
		"broker set back 10 s":  {func(w *world) { w.skew = jump(-10 * second) }, 200, 1500},
		"broker set ahead 10 s": {func(w *world) { w.skew = jump(10 * second) }, 200, 1500},
		"drift 100 ppm":         {func(w *world) { w.skew = func(now int64) int64 { return (now - dayZero) / 10_000 } }, 150, 700},
		"a fifth lies": {func(w *world) {
			w.liar = func(*event) int64 {
				if w.rng.IntN(5) > 0 {
					return 0
				}
				return w.rng.Int64N(1 << 52)
			}
		}, 250, 1500},
		"a fifth lies, behind": {func(w *world) {
			w.queue = wave(350*millisecond, 2*second)
			w.liar = func(e *event) int64 {
				if w.rng.IntN(5) > 0 {
					return 0
				}
				return e.true - hour
			}
		}, 700, 4000},
		"everybody lies": {func(w *world) {
			w.liar = func(*event) int64 { return w.rng.Int64N(1 << 52) }
		}, 250, 1500},
		"no timestamps": {func(w *world) { w.unstamp = true }, 100, 600},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				w := newWorld(seed)
				c.set(w)
				all := w.happen()
				w.observe(all, new(clock))
				sane(t, all)
				wrong := errorsOf(all)
				said := fmt.Sprintf("median %d µs, p99 %d µs, most %d µs", at(wrong, 0.5), at(wrong, 0.99), at(wrong, 1))
				t.Log(said)
				require.LessOrEqual(t, at(wrong, 0.5), c.median, said)
				require.LessOrEqual(t, at(wrong, 0.99), c.p99, said)
			}
		})
	}
}

// one gives the clock a record, and returns what it makes of it.
func one(c *clock, p spanbuilder.Point, got, sent int64) (m spanbuilder.Message) {
	c.stamp(&dialect.Record{Time: got, Sent: sent, Point: p}, &m)
	return m
}

func TestPublicationsAreGivenTheBrokersTime(t *testing.T) {
	for name, skew := range map[string]int64{"same clock": 0, "30 ms of transit": -30 * millisecond, "another clock": 7200 * second} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1)
			w.skew = func(int64) int64 { return skew }
			w.queue = steady(350 * millisecond)
			all := w.happen()
			c := new(clock)
			w.observe(all, c)
			off := max(skew, 0) // what cannot be transit is taken out
			exact, publications := 0, 0
			for _, e := range all {
				if e.step%2 == 1 {
					require.Equal(t, spanbuilder.ClockTap, e.given.Clock)
					continue
				}
				publications++
				require.Equal(t, spanbuilder.ClockBroker, e.given.Clock)
				tolerance := int64(0)
				if off != 0 {
					tolerance = 2 * millisecond // of what is known of the difference
				}
				if d := e.given.Time - (e.sent - off); -tolerance <= d && d <= millisecond+tolerance {
					exact++
				}
			}
			require.Greater(t, float64(exact)/float64(publications), 0.97)
		})
	}
}

func TestTheLagIsWhatWasMeasured(t *testing.T) {
	w := newWorld(2)
	w.queue = steady(350 * millisecond)
	c := new(clock)
	w.observe(w.happen(), c)
	r := c.reading()
	require.Equal(t, "measured", r.Source)
	require.InDelta(t, 0.350, r.Lag.Seconds(), 0.002)
	require.InDelta(t, 0, r.Skew.Seconds(), 0.005, "the lag grew into the skew")
}

func TestWithoutTimestampsTheLagIsBounded(t *testing.T) {
	c := new(clock)
	require.Equal(t, clockReading{Source: "unknown"}, c.reading())
	require.Zero(t, one(c, spanbuilder.Published, dayZero, 0).Lag, "nobody said when all was read")
	c.caughtUp(dayZero + 10)
	fresh := one(c, spanbuilder.Delivered, dayZero+second, 0)
	require.Equal(t, dayZero+second, fresh.Time)
	require.Equal(t, spanbuilder.ClockTap, fresh.Clock)
	require.Positive(t, fresh.Lag)
	require.Less(t, fresh.Lag, millisecond, "nothing waited before it")
	require.Equal(t, int64(40), one(c, spanbuilder.Delivered, dayZero+second+40, 0).Lag)
	require.Equal(t, 2*second, one(c, spanbuilder.Delivered, dayZero+3*second, 0).Lag)
	require.Equal(t, clockReading{Lag: 2e9, Source: "bounded"}, c.reading())
	c.caughtUp(dayZero + 4*second)
	require.Equal(t, int64(1), one(c, spanbuilder.Delivered, dayZero+5*second, 0).Lag)
}

func TestATapThatIsBehindEndsNoCallForWhatItHasNotReadYet(t *testing.T) {
	c := new(clock)
	c.caughtUp(dayZero)
	one(c, spanbuilder.Published, dayZero, dayZero)
	require.Equal(t, dayZero, c.seenUntil(dayZero+100*millisecond), "more may wait")
	late := one(c, spanbuilder.Published, dayZero+5*second, dayZero+2*second)
	require.InDelta(t, dayZero+2*second, late.Time, 1500)
	require.Equal(t, late.Time, c.seenUntil(dayZero+5*second+100))
	c.caughtUp(dayZero + 6*second)
	require.InDelta(t, dayZero+3*second, c.seenUntil(dayZero+6*second), 1500, "the broker is three seconds behind")
	require.InDelta(t, dayZero+60*second, c.seenUntil(dayZero+60*second), 1500)
	require.InDelta(t, dayZero+90*second, new(clock).seenUntil(dayZero+90*second), 1, "nothing was ever seen")
}

func TestTheTapsOwnClockIsSetBack(t *testing.T) {
	c := new(clock)
	c.caughtUp(dayZero)
	before := one(c, spanbuilder.Published, dayZero, dayZero)
	require.Equal(t, before.Time, one(c, spanbuilder.Published, dayZero-10*millisecond, 0).Time, "a little: it stands still")
	after := one(c, spanbuilder.Published, dayZero-3600*second, dayZero)
	require.Equal(t, dayZero-3600*second, after.Time, "much: spans of HTTP are by that clock, too")
}
