package dialect

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// direct reads RPC over RabbitMQ's direct reply-to (https://www.rabbitmq.com/docs/direct-reply-to), whoever does it, by the address
// of the reply alone. It is unique to the channel that waits, so a call whose client sends no correlation id is one too: its ID is
// empty, and replies come in the order of the requests. What the body says is read as plain does.
//
// The request and the publication of the reply are seen on any broker, the delivery of the reply from RabbitMQ 4.2 on.
type direct struct{ plain }

// Name implements Dialect.
func (d *direct) Name() string { return "direct" }

// Decode implements Dialect.
func (d *direct) Decode(r *Record, m *spanbuilder.Message) Verdict {
	if strings.HasPrefix(r.Properties.ReplyTo, directReplyTo) || r.Exchange == "" && strings.HasPrefix(r.RoutingKey, directReplyTo) {
		return d.plain.Decode(r, m)
	}
	return NotMine
}
