package amqptap

import (
	"context"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/amqptap/wire"
	"github.com/calltap/calltap/spanbuilder"
)

const (
	tickTime    = 100 * time.Millisecond
	ackEvery    = 500 // messages, or half of the prefetch if that is less
	drainTime   = 500 * time.Millisecond
	reportTime  = time.Minute      // between two log lines about malformed messages
	silenceTime = 30 * time.Second // after which a firehose without events is worth a hint
)

// consumer takes one session's deliveries, on the goroutine of takeAll or, with the reader "inplace", on that which
// reads the connection. Acknowledging is left to the goroutine of consume: it may have to wait for the broker, which
// may be waiting for the connection to be read.
type consumer struct {
	*tap
	s       *session
	record  dialect.Record
	msg     spanbuilder.Message
	headers wire.Headers

	over bool // guarded by tap.mu: the session has ended, what still comes of it is not taken

	ackEvery uint64
	taken    atomic.Uint64 // the last delivery tag
	asked    uint64        // the one at which due was last told; of the goroutine that takes
	due      chan struct{} // ackEvery messages await their acknowledgement
	done     chan struct{} // closed when no more deliveries come
	acked    uint64        // of the goroutine of consume
	order    int64         // of the last message read in place, see inOrder
}

func (t *tap) newConsumer(s *session) *consumer {
	return &consumer{tap: t, s: s, ackEvery: uint64(max(1, min(ackEvery, t.Prefetch/2))), due: make(chan struct{}, 1), done: make(chan struct{})}
}

// consume sees to what is taken by takeAll, or in place, until the session or ctx ends.
func (t *tap) consume(ctx context.Context, s *session, said *saidOnce) *trouble {
	c := s.consumer
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	report := reporter{last: t.counters.malformed(), at: time.Now()}
	began := time.Now()
	seen := t.counters.events()
	for {
		select {
		case <-c.done:
			return c.ended()
		case <-c.due:
			c.ack()
		case now := <-tick.C:
			c.ack()
			t.guarded(t.advance)
			report.malformed(t, now)
			if t.Mode == "firehose" && t.counters.events() == seen && now.Sub(began) > silenceTime && !said.silence {
				said.silence = true
				t.hintSilence()
			}
		case <-ctx.Done():
			c.drain()
			return nil
		}
	}
}

// takeAll takes the library's deliveries as they come, and nothing else: to wait for several things at once would cost each of
// them more than to be handed over does. With the reader "inplace" it only tells that the session has ended.
func (c *consumer) takeAll() {
	defer close(c.done)
	idle := time.Now()
	for d := range c.s.deliveries {
		now := time.Now()
		if now.Sub(idle) >= lullTime {
			c.caughtUp(now.UnixMicro())
		}
		c.take(&d, now.UnixMicro())
		idle = time.Now()
	}
}

// lullTime is how long takeAll must have waited for a delivery to tell the clock that nothing had been waiting. The library hands deliveries
// over one by one, so an empty channel means nothing; a pause means that there was none.
const lullTime = 200 * time.Microsecond

// take handles one delivery of the library's.
func (c *consumer) take(d *amqp.Delivery, now int64) {
	c.guarded(func() { c.handle(d, now) })
	c.took(d.DeliveryTag)
}

// took has a delivery acknowledged, whatever became of it: to requeue would be to meet it again.
func (c *consumer) took(tag uint64) {
	c.taken.Store(tag)
	if tag-c.asked < c.ackEvery {
		return
	}
	c.asked = tag
	select {
	case c.due <- struct{}{}:
	default: // told, and not yet done
	}
}

// handle makes a record of one delivery and gives it on.
func (c *consumer) handle(d *amqp.Delivery, now int64) {
	if c.Mode == "mirror" {
		c.mirrored(d, &c.record)
	} else if !fromFirehose(d.RoutingKey, d.Headers, d.Body, &c.record) {
		c.counters.badEvents.Add(1)
		return
	}
	c.record.Time = now
	c.see()
}

// see gives the record to the dialects and the Pairer.
func (c *consumer) see() {
	c.counters.lastEvent.Store(c.record.Time)
	c.with(func(tr *spanbuilder.Tracer) {
		if !c.over {
			c.lookAwake(c.record.Time)
			c.observe(tr, &c.record, &c.msg)
		}
	})
}

// caughtUp tells the clock that what comes next is fresh.
func (t *tap) caughtUp(now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock.caughtUp(now)
}

// stop ends the taking: when it returns nothing is being taken any more.
func (c *consumer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// guarded runs f; a panic, which foreign bytes may yet provoke, costs that message and is counted.
func (t *tap) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if t.counters.panics.Add(1) == 1 {
				t.log().Error("a fault in calltap: one message was not traced; please report it", zap.Any("panic", p), zap.Stack("stack"))
			}
		}
	}()
	f()
}

// ack acknowledges all that was taken. An error means that the session is over, as deliveries will tell.
func (c *consumer) ack() {
	tag := c.taken.Load()
	if tag == c.acked {
		return
	}
	c.acked = tag
	_ = c.s.ch.Ack(tag, true)
}

// ended says why there are no more deliveries.
func (c *consumer) ended() *trouble {
	select {
	case err := <-c.s.closed:
		if err != nil {
			return c.diagnose(consuming, "", err)
		}
	default:
	}
	return &trouble{doing: consuming, err: errLost}
}

// drain stops the consumer and takes what had already come: with the reader "inplace" that is done when the broker's answer
// is read.
func (c *consumer) drain() {
	give := time.AfterFunc(drainTime, func() { c.s.raw.Close() })
	defer give.Stop()
	if c.s.cancel() == nil {
		<-c.done
	}
	c.ack()
}

// reporter logs malformed messages, seldom and without their bodies.
type reporter struct {
	last int64
	at   time.Time
}

func (r *reporter) malformed(t *tap, now time.Time) {
	if now.Sub(r.at) < reportTime {
		return
	}
	r.at = now
	n := t.counters.malformed()
	if n > r.last {
		t.log().Warn("some messages could not be read; see /calltap/status for the reasons",
			zap.Int64("messages", n-r.last), zap.Int64("in_all", n))
	}
	r.last = n
}
