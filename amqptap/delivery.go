package amqptap

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

const (
	tickTime    = 100 * time.Millisecond
	ackEvery    = 500 // messages, or half of the prefetch if that is less
	drainTime   = 500 * time.Millisecond
	reportTime  = time.Minute      // between two log lines about malformed messages
	silenceTime = 30 * time.Second // after which a firehose without events is worth a hint
)

// consumer reads one session's deliveries.
type consumer struct {
	*tap
	s      *session
	record dialect.Record
	msg    spanbuilder.Message

	ackEvery int
	unacked  int
	lastTag  uint64
}

// consume reads deliveries until the session or ctx ends.
func (t *tap) consume(ctx context.Context, s *session, said *saidOnce) *trouble {
	c := &consumer{tap: t, s: s, ackEvery: max(1, min(ackEvery, t.Prefetch/2))}
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	report := reporter{last: t.counters.malformed(), at: time.Now()}
	began := time.Now()
	seen := t.counters.events()
	for {
		select {
		case d, ok := <-s.deliveries:
			if !ok {
				return c.ended()
			}
			c.take(&d)
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

// take handles one delivery and acknowledges it, whatever became of it: to requeue would be to meet it again.
func (c *consumer) take(d *amqp.Delivery) {
	c.guarded(func() { c.handle(d) })
	c.lastTag = d.DeliveryTag
	if c.unacked++; c.unacked >= c.ackEvery {
		c.ack()
	}
}

// handle decodes one delivery and gives it to the Pairer.
func (c *consumer) handle(d *amqp.Delivery) {
	now := time.Now().UnixMicro()
	c.counters.lastEvent.Store(now)
	if c.Mode == "mirror" {
		c.mirrored(d, &c.record)
	} else if !fromFirehose(d.RoutingKey, d.Headers, d.Body, &c.record) {
		c.counters.badEvents.Add(1)
		return
	}
	c.record.Time = now
	c.with(func(tr *spanbuilder.Tracer) { c.observe(tr, &c.record, &c.msg) })
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
	if c.unacked == 0 {
		return
	}
	c.unacked = 0
	_ = c.s.ch.Ack(c.lastTag, true)
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

// drain stops the consumer and takes what had already come.
func (c *consumer) drain() {
	give := time.AfterFunc(drainTime, func() { c.s.raw.Close() })
	defer give.Stop()
	if c.s.ch.Cancel(consumerTag, false) == nil {
		for d := range c.s.deliveries {
			c.take(&d)
		}
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
