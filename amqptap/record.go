package amqptap

import (
	"math"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// fromFirehose makes a Record of a message of amq.rabbitmq.trace. Its routing key is
// publish.EXCHANGE or deliver.QUEUE, its headers describe the copied message, and its body is that
// message's (https://www.rabbitmq.com/docs/firehose, and rabbit_trace.erl for the headers that the page
// leaves out). Of a table decoded from JSON it takes the same. False means that it is no such message.
func fromFirehose(key string, headers amqp.Table, body []byte, r *dialect.Record) bool {
	*r = dialect.Record{
		VHost:      text(headers["vhost"]),
		Exchange:   text(headers["exchange_name"]),
		Connection: text(headers["connection"]),
		Body:       body,
	}
	if keys, ok := headers["routing_keys"].([]any); ok && len(keys) > 0 {
		r.RoutingKey = text(keys[0])
	}
	if q, ok := strings.CutPrefix(key, "deliver."); ok {
		r.Point, r.Queue = spanbuilder.Delivered, q
		r.Redelivered = truth(headers["redelivered"])
	} else if strings.HasPrefix(key, "publish.") {
		r.Point = spanbuilder.Published
		routed, ok := headers["routed_queues"].([]any)
		r.RoutedKnown, r.RoutedQueues = ok, len(routed)
	} else {
		return false
	}
	p, ok := table(headers["properties"])
	if !ok {
		return false
	}
	r.Properties = dialect.Properties{
		ContentType:   text(p["content_type"]),
		ReplyTo:       text(p["reply_to"]),
		CorrelationID: text(p["correlation_id"]),
		Expiration:    text(p["expiration"]),
		MessageID:     text(p["message_id"]),
		Type:          text(p["type"]),
	}
	if h, ok := table(p["headers"]); ok && len(h) > 0 {
		r.Properties.Headers = headerTable(h)
		r.Sent = sentTime(r.Properties.Headers)
	}
	return true
}

// mirrored makes a Record of a message that an exchange sent to the tap's queue as to any other. It
// stands for the publication; who published it and who else received it is not told.
func (s *settings) mirrored(d *amqp.Delivery, r *dialect.Record) {
	*r = dialect.Record{
		Point:      spanbuilder.Published,
		Mirror:     true,
		VHost:      s.URI.Vhost,
		Exchange:   d.Exchange,
		RoutingKey: d.RoutingKey,
		Properties: dialect.Properties{
			ContentType:   d.ContentType,
			ReplyTo:       d.ReplyTo,
			CorrelationID: d.CorrelationId,
			Expiration:    d.Expiration,
			MessageID:     d.MessageId,
			Type:          d.Type,
		},
		Body: d.Body,
	}
	if len(d.Headers) > 0 {
		r.Properties.Headers = headerTable(d.Headers)
		r.Sent = sentTime(r.Properties.Headers)
	}
}

// sentTime is when the broker took a message in, if it is set up to say so: RabbitMQ 3.12 and later by
// message_interceptors.incoming.set_header_timestamp, older ones by the plugin rabbitmq-message-timestamp.
func sentTime(h dialect.Headers) int64 {
	ms, _ := h.Int("timestamp_in_ms")
	if ms <= 0 || ms > 1<<43 { // the year 2248
		return 0
	}
	return ms * 1000
}

// headerTable is an AMQP header table as dialects read it.
type headerTable amqp.Table

// Header implements dialect.Headers.
func (h headerTable) Header(name string) string { return text(h[name]) }

// Int implements dialect.Headers.
func (h headerTable) Int(name string) (int64, bool) { return integer(h[name]) }

// Strings implements dialect.Headers.
func (h headerTable) Strings(name string, dst []string) []string {
	values, _ := h[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			dst = append(dst, s)
		}
	}
	return dst
}

// Death implements dialect.Headers.
func (h headerTable) Death() (reason, queue string, count int64, ok bool) {
	deaths, _ := h["x-death"].([]any)
	if len(deaths) == 0 {
		return "", "", 0, false
	}
	newest, ok := table(deaths[0])
	if !ok {
		return "", "", 0, false
	}
	count, _ = integer(newest["count"])
	return text(newest["reason"]), text(newest["queue"]), count, true
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case bool:
		if n {
			return 1, true
		}
		return 0, true
	case int8:
		return int64(n), true
	case uint8:
		return int64(n), true
	case int16:
		return int64(n), true
	case uint16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint32:
		return int64(n), true
	case int64:
		return n, true
	case float64: // of a recording, whose numbers are JSON's
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}

// text is a value of AMQP's long-string type, which the library gives as a string or, from some clients, bytes.
func text(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case []byte:
		return string(s)
	}
	return ""
}

func table(v any) (amqp.Table, bool) {
	switch t := v.(type) {
	case amqp.Table:
		return t, true
	case map[string]any:
		return t, true
	}
	return nil, false
}

// truth is a flag, which the broker sends as an integer and JSON as any number.
func truth(v any) bool {
	switch n := v.(type) {
	case bool:
		return n
	case int32:
		return n != 0
	case int64:
		return n != 0
	case float64:
		return n != 0
	}
	return false
}
