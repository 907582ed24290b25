package dialect

import "github.com/calltap/calltap/spanbuilder"

// Record is one event of the broker, whichever way it came to be known.
type Record struct {
	Time   int64             // when it was seen, Unix microseconds
	Sent   int64             // when the broker took the message in, by its own clock (timestamp_in_ms), Unix microseconds; 0 is unknown
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
	Body       []byte // all of it, or of one above Limits.MaxBody at least a byte more than that
	Size       int    // bytes of the whole body, if Body is not all of it
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

// Headers are the application's headers of a message. Names are exact. What is not there, or of another type, is the
// zero value. The strings live as long as the Record.
type Headers interface {
	Header(name string) string                           // a string
	Int(name string) (n int64, ok bool)                  // any integer type; of a truth value 0 or 1
	Strings(name string, dst []string) []string          // appends the strings of an array
	Death() (reason, queue string, count int64, ok bool) // the newest entry of x-death, which brokers write at dead-lettering
}
