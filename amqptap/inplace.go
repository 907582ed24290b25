package amqptap

import (
	"io"
	"net"
	"strings"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/amqptap/wire"
	"github.com/calltap/calltap/spanbuilder"
)

// beneath puts the reader between a connection and amqp091-go.
func (c *consumer) beneath(conn net.Conn) io.ReadWriteCloser {
	if c.Reader == "library" {
		return wire.NewAhead(conn, c.s.raw)
	}
	c.s.raw.OnCaughtUp(c.caughtUp)
	return wire.New(conn, c.s.raw, wire.Options{
		ConsumerTag: consumerTag,
		MaxBody:     c.MaxBody + 1, // so that dialects see that it is too large
		Deliver:     c.deliver,
	})
}

// deliver handles one delivery that lies in the receive buffer.
func (c *consumer) deliver(d *wire.Delivery) {
	c.guarded(func() { c.handleInPlace(d) })
	c.took(d.Tag)
}

func (c *consumer) handleInPlace(d *wire.Delivery) {
	if c.Mode == "mirror" {
		c.mirroredInPlace(d, &c.record, &c.headers)
	} else if !fromFirehoseInPlace(d, &c.record, &c.headers) {
		c.counters.badEvents.Add(1)
		return
	}
	c.order = inOrder(c.order, d.Received)
	c.record.Time = c.order
	c.see()
}

// inOrder is the time of a message that was received then, after one of the time before. Messages of one read have come at one time, as
// far as is known; a microsecond between them keeps them in their order wherever a trace is sorted by time.
func inOrder(before, received int64) int64 {
	if before < received || before-received > maxReordered {
		return received
	}
	return before + 1
}

// maxReordered is how far, in microseconds, times may run ahead of the clock to stay in order: above it the clock was set back.
const maxReordered = 1_000_000

// fromFirehoseInPlace is fromFirehose for a delivery whose headers are still as they were sent. headers is where the
// record's are to be.
func fromFirehoseInPlace(d *wire.Delivery, r *dialect.Record, headers *wire.Headers) bool {
	*r = dialect.Record{Body: d.Body, Size: int(min(d.Size, 1<<31-1))}
	if q, ok := strings.CutPrefix(d.RoutingKey, "deliver."); ok {
		r.Point, r.Queue = spanbuilder.Delivered, q
	} else if strings.HasPrefix(d.RoutingKey, "publish.") {
		r.Point = spanbuilder.Published
	} else {
		return false
	}
	known := false
	for table := d.Properties.Headers; ; {
		name, v, ok := table.Next()
		if !ok {
			return known
		}
		switch string(name) { // does not allocate
		case "vhost":
			r.VHost = v.Text()
		case "exchange_name":
			r.Exchange = v.Text()
		case "connection":
			r.Connection = v.Text()
		case "routing_keys":
			keys, _ := v.Array()
			first, _ := keys.Next()
			r.RoutingKey = first.Text()
		case "redelivered":
			r.Redelivered = r.Point == spanbuilder.Delivered && v.Truth()
		case "routed_queues":
			if queues, ok := v.Array(); ok && r.Point == spanbuilder.Published {
				r.RoutedKnown, r.RoutedQueues = true, queues.Len()
			}
		case "properties":
			if p, ok := v.Table(); ok {
				known = true
				propertiesInPlace(p, r, headers)
			}
		}
	}
}

// propertiesInPlace reads the copied message's properties, which the firehose writes as a table.
func propertiesInPlace(table wire.Table, r *dialect.Record, headers *wire.Headers) {
	p := &r.Properties
	*p = dialect.Properties{}
	for {
		name, v, ok := table.Next()
		if !ok {
			return
		}
		switch string(name) {
		case "content_type":
			p.ContentType = v.Text()
		case "reply_to":
			p.ReplyTo = v.Text()
		case "correlation_id":
			p.CorrelationID = v.Text()
		case "expiration":
			p.Expiration = v.Text()
		case "message_id":
			p.MessageID = v.Text()
		case "type":
			p.Type = v.Text()
		case "headers":
			if h, ok := v.Table(); ok {
				setHeaders(h, r, headers)
			}
		}
	}
}

func setHeaders(h wire.Table, r *dialect.Record, headers *wire.Headers) {
	headers.Table = h
	if len(h) == 0 {
		return
	}
	r.Properties.Headers = headers
	r.Sent = sentTime(headers)
}

// mirroredInPlace is mirrored for a delivery that lies in the receive buffer.
func (s *settings) mirroredInPlace(d *wire.Delivery, r *dialect.Record, headers *wire.Headers) {
	p := &d.Properties
	*r = dialect.Record{
		Point:      spanbuilder.Published,
		Mirror:     true,
		VHost:      s.URI.Vhost,
		Exchange:   d.Exchange,
		RoutingKey: d.RoutingKey,
		Properties: dialect.Properties{
			ContentType:   p.ContentType,
			ReplyTo:       p.ReplyTo,
			CorrelationID: p.CorrelationID,
			Expiration:    p.Expiration,
			MessageID:     p.MessageID,
			Type:          p.Type,
		},
		Body: d.Body,
		Size: int(min(d.Size, 1<<31-1)),
	}
	setHeaders(p.Headers, r, headers)
}
