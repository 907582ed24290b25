package dialect

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/spanbuilder"
)

// RabbitMQ 4.2 shows the delivery too, in a queue of the address's name.
func TestDirectReplyIsKnownAtEachPointThatABrokerShows(t *testing.T) {
	request := Record{Point: spanbuilder.Published, RoutingKey: "q", Properties: Properties{ReplyTo: directAddress}, Body: []byte(`{"method": "sum"}`)}
	m := decodeAs(t, "direct", request)
	require.Equal(t, spanbuilder.FormCall, m.Form)
	require.Equal(t, directAddress, m.ReplyTo)
	require.Empty(t, m.ID, "many clients send none")
	require.Equal(t, "sum", m.Method)
	for _, reply := range []Record{
		{Point: spanbuilder.Published, RoutingKey: directAddress, RoutedKnown: true},
		{Point: spanbuilder.Published, RoutingKey: directAddress, RoutedKnown: true, RoutedQueues: 1},
		{Point: spanbuilder.Delivered, RoutingKey: directAddress, Queue: directAddress},
	} {
		m := decodeAs(t, "direct", reply)
		require.Equal(t, spanbuilder.FormReply, m.Form)
		require.Equal(t, directAddress, m.ReplyTo)
		require.False(t, m.Unroutable, "older brokers name no queue")
	}
}

func TestDirectTakesNothingElse(t *testing.T) {
	for _, r := range []Record{
		{RoutingKey: "q", Properties: Properties{ReplyTo: "amq.gen-x"}},
		{RoutingKey: "amq.rabbitmq.reply-to", Properties: Properties{ReplyTo: "amq.rabbitmq.reply-to"}}, // not yet completed by a broker
		{Exchange: "x", RoutingKey: directAddress},
	} {
		decodeAs(t, "plain", r)
	}
}
