package amqptap

import (
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// clock gives messages the best time that can be had. The broker stamps neither deliveries nor, unless it is set up
// to, publications; the tap only knows when it got the copy, which is late by as much as the tap is behind.
//
// Where the broker notes when it takes a message in (timestamp_in_ms), each copy of a publication measures
// how late the tap is: received − sent. That holds three things,
//
//	received − sent = difference of the clocks + transit + lag
//
// of which the first two hardly change, so they are the least that was measured in the last half minute, the
// baseline; what is above it is lag. A delivery is as late as the publications next to it, so it is put right by
// what they measured.
//
// All times that it gives are by one clock, so that lengths are right whatever the clocks are: the broker's, if the baseline
// can be mere transit; else they differ, and it is the tap's, which is also the clock of the HTTP spans.
//
// Times never run backwards in the order of the copies, so nothing ends before it began, and none is
// later than the copy came. Timestamps may be anybody's invention: those that no lag can explain are not used, until
// so many agree that it must have been a clock that was set.
//
// One goroutine at a time uses it; measured may be called by any.
type clock struct {
	fresh    bool  // nothing was waiting when the next record comes
	caught   int64 // when a record came for which nothing had been waiting; 0 is never. All times are Unix microseconds
	received int64 // when the last record came
	usual    int64 // the usual pause between records
	last     int64 // the last time given

	measuring bool  // there is a baseline
	late      int64 // received − sent, now
	measured  int64 // when that was measured
	base      baseline
	shift     int64 // from the broker's clock to the one that times are given by
	shifted   int64 // when shift was last looked at
	stray     stray

	now struct{ lag, source, skew atomic.Int64 } // for measured
}

const (
	millisecond = int64(1000) // of microseconds
	second      = 1000 * millisecond

	// A baseline in this range is taken for transit. Below it the broker's clock must be ahead of the tap's; above,
	// it is behind, or the broker is on another continent.
	leastTransit, mostTransit = -1 * millisecond, 50 * millisecond

	// No copy is older than the queue lets it grow, give or take what is under way.
	mostLag = int64(copyLifetime/time.Microsecond) + 10*second

	strange    = second          // off by more than that, a timestamp is none of this clock
	outvoted   = 16              // so many more strange timestamps than others mean that a clock was set
	staleAfter = second          // a measurement tells nothing of what comes later than that
	slew       = int64(200)      // shift moves by a 200th of the time that passes, 5 ms a second
	resolution = millisecond - 1 // timestamp_in_ms is cut off
)

// caughtUp notes that at now (Unix microseconds) nothing was waiting to be read, so that what comes next is fresh.
func (c *clock) caughtUp(now int64) {
	c.fresh = true
	if c.caught == 0 {
		c.caught = now
	}
}

// stamp sets Time, Clock and Lag of a message that came as r, which holds when it was received.
func (c *clock) stamp(r *dialect.Record, m *spanbuilder.Message) {
	stalled := c.receive(r.Time)
	m.Clock = spanbuilder.ClockTap
	if r.Point == spanbuilder.Published && r.Sent > 0 && c.measure(r.Time, r.Sent) {
		m.Clock = spanbuilder.ClockBroker
	}
	switch {
	case c.measuring && r.Time-c.measured <= staleAfter:
		if m.Clock != spanbuilder.ClockBroker {
			c.late += stalled
		}
	case c.measuring: // no neighbours: as if it were fresh
		c.late = c.base.least(r.Time)
	}
	m.Time, m.Lag = c.timeOf(r), c.lag(r.Time)
	c.last = m.Time
	c.publish(m.Lag)
}

// timeOf is the time of the record that was just received.
func (c *clock) timeOf(r *dialect.Record) int64 {
	t := r.Time
	if c.measuring {
		t += c.shift - c.late
	}
	return max(min(t, r.Time), c.last)
}

// lag is how late the tap was, as measured, else the longest that it can have been.
func (c *clock) lag(now int64) int64 {
	switch {
	case c.measuring && now-c.measured <= staleAfter:
		return max(1, c.late-c.base.least(now))
	case c.caught == 0:
		return 0
	}
	return max(1, now-c.caught)
}

// receive notes that a record came. It returns by how much later than usual, if that may be since the tap was held up: then
// what waited meanwhile is that much older, until a measurement says more.
func (c *clock) receive(now int64) (stalled int64) {
	if now < c.received { // the tap's clock was set back
		if c.received-now > strange {
			*c = clock{fresh: c.fresh}
		}
		now = max(now, c.received)
	}
	pause := now - c.received
	first := c.received == 0
	c.received = now
	if c.fresh {
		c.fresh, c.caught = false, now
	} else if c.caught != 0 && !first && pause > 4*c.usual+millisecond {
		stalled = pause - c.usual
	}
	if !first {
		c.usual += (min(pause, second) - c.usual) / 16
	}
	return stalled
}

// measure takes what a publication tells of lag and clocks. False means that it was not believed.
func (c *clock) measure(received, sent int64) bool {
	late := received - sent
	if !c.measuring {
		c.begin(received, late)
	} else if !c.believable(received, late) {
		if !c.stray.outvotes(late) {
			return false
		}
		c.rebase(received, late)
	} else {
		c.stray.lose()
	}
	// The message was sent within the millisecond that begins at sent. What is known already is finer than that, unless
	// it contradicts.
	c.late = min(max(c.late, late-resolution), late)
	c.measured = received
	c.base.add(received, c.late)
	c.follow(received)
	return true
}

// believable reports whether a lag can explain what was measured: it is not negative, and grows by no more
// than the time that passes.
func (c *clock) believable(received, late int64) bool {
	lag := late - c.base.least(received)
	return lag >= -strange && lag <= mostLag && late-c.late <= received-c.measured+strange
}

func (c *clock) begin(received, late int64) {
	c.measuring, c.late, c.shifted = true, late, received
	c.base = baseline{}
	c.base.add(received, late)
	c.shift = wanted(late)
}

// rebase follows a clock that was set. What is open goes on by the same clock as it began, and the lag is taken to be what it was.
func (c *clock) rebase(received, late int64) {
	jump := late - c.late
	least := c.base.least(received)
	c.late, c.shift = late, c.shift+jump
	c.base = baseline{}
	c.base.add(received, least+jump)
	c.stray = stray{}
}

// follow moves shift to where it should be, too slowly to be seen in a length.
func (c *clock) follow(now int64) {
	step := (now - c.shifted) / slew
	if step <= 0 {
		return
	}
	c.shifted = now
	c.shift += min(max(wanted(c.base.least(now))-c.shift, -step), step)
}

// wanted is what has to be added to the broker's clock for a baseline.
func wanted(base int64) int64 {
	if leastTransit <= base && base <= mostTransit {
		return 0
	}
	return base
}

// seenUntil is up to when all that happened has been read, by the clock of the times given, so that what is
// missing at that time will not come. A tap that is behind must not take replies that wait to be read for late.
func (c *clock) seenUntil(now int64) int64 {
	switch {
	case !c.fresh && now-c.received < staleAfter:
		return c.last
	case !c.measuring:
		return max(now, c.last)
	case now-c.measured > staleAfter:
		return max(now-c.base.least(now)+c.shift, c.last)
	}
	return max(now-c.late+c.shift, c.last)
}

// clockReading is what a clock tells of itself.
type clockReading struct {
	Lag    time.Duration // of the last record; 0 is unknown
	Source string        // of Lag: measured, by timestamps of the broker; bounded, by when the tap had last read all; unknown
	Skew   time.Duration // how far the tap's clock is ahead of the broker's, with transit; if Source is measured
}

var lagSources = [...]string{"unknown", "bounded", "measured"}

func (c *clock) publish(lag int64) {
	source := int64(0)
	switch {
	case c.measuring && c.received-c.measured <= staleAfter:
		source = 2
		c.now.skew.Store(c.base.least(c.received))
	case lag > 0:
		source = 1
	}
	c.now.lag.Store(lag)
	c.now.source.Store(source)
}

// reading is the state after the last record.
func (c *clock) reading() clockReading {
	r := clockReading{
		Lag:    time.Duration(c.now.lag.Load()) * time.Microsecond,
		Source: lagSources[c.now.source.Load()],
	}
	if r.Source == "measured" {
		r.Skew = time.Duration(c.now.skew.Load()) * time.Microsecond
	}
	return r
}
