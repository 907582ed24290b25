package dialect

import "github.com/calltap/calltap/spanbuilder"

// Record is one event of the broker, whichever way it came to be known.
type Record struct {
	Time   int64             // when it was seen, Unix microseconds
	Point  spanbuilder.Point // a mirrored message counts as Published
	Mirror bool              // seen by a queue of our own, not by the firehose

	VHost      string
	Exchange   string // "" is the default exchange
	RoutingKey string // without CC and BCC, which no known RPC protocol uses
	Queue      string // of a delivery
	Connection string // "ip:port -> ip:port"

	Redelivered  bool
	RoutedKnown  bool // RoutedQueues tells something: firehose publications only
	RoutedQueues int  // how many queues took the message

	Properties Properties
	Body       []byte
}

// Properties are the AMQP basic properties that some dialect reads.
type Properties struct {
	ContentType   string
	ReplyTo       string
	CorrelationID string
	Expiration    string // milliseconds in decimal
	MessageID     string
	Type          string
	Headers       Headers // nil if there are none
}

// Headers gives the application's header of that exact name if it is a string, else "".
type Headers interface {
	Header(name string) string
}
