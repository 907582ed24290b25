package amqptap

import (
	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// clock gives messages the best time that can be had: when the broker took them in, if it says so, else
// when the tap got the copy less the tap's lag. One goroutine at a time uses it.
type clock struct {
	caught int64 // when the tap had last read all that the broker had sent, Unix microseconds
}

// caughtUp notes that at now (Unix microseconds) nothing was waiting to be read, so that what comes next is fresh.
func (c *clock) caughtUp(now int64) { c.caught = now }

// stamp sets Time, Clock and Lag of a message that came as r, which holds when it was received.
func (c *clock) stamp(r *dialect.Record, m *spanbuilder.Message) {
	m.Time, m.Clock = r.Time, spanbuilder.ClockTap
}
