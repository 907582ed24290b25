package dialect

import "github.com/calltap/calltap/spanbuilder"

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
