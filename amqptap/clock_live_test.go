package amqptap

import (
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// The plugin rabbitmq-message-timestamp is not part of RabbitMQ 3.10. What it does is write the time into a header as
// the broker takes a message in; a client on the same machine that writes the time as it sends differs by microseconds.
func TestTimestampsOfTheBrokerReachTheSpans(t *testing.T) {
	node := broker(t)
	for name, skew := range map[string]time.Duration{"same-clock": 0, "two-hours-ahead": 2 * time.Hour} {
		for _, reader := range []string{"inplace", "library"} {
			method := name + "-" + reader
			t.Run(method, func(t *testing.T) {
				tap := start(t, &Source{URL: node.URL(), Reader: reader, Prefetch: 999}) // a tap of its own
				tap.awaitConnected(t)
				c := dial(t, node.URL())
				queue, replies := c.queue(""), c.queue("")
				stamped := func(p amqp.Publishing) (amqp.Publishing, time.Time) {
					now := time.Now()
					p.Headers = amqp.Table{"timestamp_in_ms": now.Add(skew).UnixMilli()}
					return p, now
				}
				const calls, work = 20, 40 * time.Millisecond
				began := map[string]time.Time{}
				var worked []int64 // which a loaded machine makes longer than it should be
				for i := range calls {
					id := method + string(rune('a'+i))
					request, now := stamped(amqp.Publishing{ReplyTo: replies, CorrelationId: id, Body: []byte(`{"method": "` + method + `"}`)})
					began[id] = now
					c.publish("", queue, request)
					_, ok, err := c.ch.Get(queue, true)
					require.NoError(t, err)
					require.True(t, ok)
					got := time.Now()
					<-time.After(work)
					reply, now := stamped(amqp.Publishing{CorrelationId: id})
					worked = append(worked, now.Sub(got).Microseconds())
					c.publish("", replies, reply)
				}
				_, err := c.ch.Consume(replies, "", true, false, false, false, nil)
				require.NoError(t, err)
				require.Eventually(t, func() bool { return len(tap.named(method)) == 2*calls }, patience, 10*time.Millisecond, "%s", dump(tap.now()))
				var off, lengths []int64
				for _, s := range tap.named(method) {
					if s.Kind == span.KindServer {
						lengths = append(lengths, s.Duration)
						continue
					}
					require.Contains(t, s.Tags, span.Tag{Key: "calltap.clock", Value: "broker"})
					nearest := time.Hour
					for _, then := range began {
						nearest = min(nearest, time.UnixMicro(s.Start).Sub(then).Abs())
					}
					off = append(off, nearest.Microseconds())
				}
				slices.Sort(off)
				slices.Sort(lengths)
				slices.Sort(worked)
				require.Less(t, at(off, 0.5), int64(10_000), "times are the tap's clock's: %d", off)
				require.InDelta(t, at(worked, 0.5), at(lengths, 0.5), 10_000, "%d, worked %d", lengths, worked)
				require.Equal(t, "measured", tap.now().LagSource)
			})
		}
	}
}
