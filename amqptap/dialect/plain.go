package dialect

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// directReplyTo begins the addresses of RabbitMQ's direct reply-to. The broker has completed the
// client's bare amq.rabbitmq.reply-to before a queue of ours sees the request, so they are unique.
const directReplyTo = "amq.rabbitmq.reply-to."

// plain reads what any AMQP client may do without a framework: a request names its reply queue in
// reply_to and usually itself in correlation_id; the reply goes to that queue with the same
// correlation_id (https://www.rabbitmq.com/tutorials/tutorial-six-python). Everything else is one-way.
// It knows every message, so it stands last.
type plain struct {
	shared
	body plainBody
}

// Name implements Dialect.
func (p *plain) Name() string { return "plain" }

// Decode implements Dialect.
func (p *plain) Decode(r *Record, m *spanbuilder.Message) Verdict {
	props := &r.Properties
	m.Topic = r.RoutingKey
	if len(r.Body) <= p.limits.MaxBody {
		p.body.read(r.Body)
	} else {
		p.body.reset()
	}
	switch {
	case props.ReplyTo != "":
		m.Form, m.ReplyTo, m.ID = spanbuilder.FormCall, props.ReplyTo, props.CorrelationID
	case p.isReply(r):
		m.Form, m.ReplyTo, m.ID = spanbuilder.FormReply, r.RoutingKey, props.CorrelationID
		m.Error = p.body.failure()
		m.Topic = ""
		return Decoded
	case r.Exchange == "amq.fanout":
		m.Form, m.ID = spanbuilder.FormFanout, props.MessageID
	default:
		m.Form, m.ID = spanbuilder.FormCast, props.MessageID
	}
	if m.Topic == "" { // fanout and headers exchanges need no routing key
		m.Topic = r.Exchange
	}
	if m.Method = p.body.method; m.Method == "" {
		m.Method = m.Topic
	}
	return Decoded
}

// isReply tells a reply from a one-way message. To whom a request was seen to want its reply sent,
// there a reply goes, through whatever exchange. Else, since the tap may have come between the
// two, it is one if it goes to a queue directly, answers something, and the queue has the
// name of a reply queue; a work queue with a correlation id for the logs has not.
func (p *plain) isReply(r *Record) bool {
	if p.addresses.has(r.VHost, r.RoutingKey) {
		return true
	}
	return r.Exchange == "" && (strings.HasPrefix(r.RoutingKey, directReplyTo) ||
		r.Properties.CorrelationID != "" && namesReplyQueue(r.RoutingKey))
}

// namesReplyQueue reports whether a queue's name looks like a reply queue's: made by the broker, told
// by its name, or unique.
func namesReplyQueue(q string) bool {
	if strings.HasPrefix(q, "amq.gen-") || hasUniquePart(q) {
		return true
	}
	for _, word := range [...]string{"reply", "Reply", "replies", "Replies", "callback", "response"} {
		if strings.Contains(q, word) {
			return true
		}
	}
	return false
}

// hasUniquePart looks for 32 hex digits, dashes between them aside: a UUID in either spelling.
func hasUniquePart(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			if n++; n == 32 {
				return true
			}
		case c != '-':
			n = 0
		}
	}
	return false
}
