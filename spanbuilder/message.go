package spanbuilder

import "time"

// Point is where on its way a message was seen.
type Point uint8

// The two points that RabbitMQ's firehose shows of every message.
const (
	Published Point = iota + 1
	Delivered
)

// Form is the part that a message plays in an RPC.
type Form uint8

// The forms of message.
const (
	FormCall         Form = iota + 1 // a request that expects a reply
	FormCast                         // one-way, to one receiver
	FormFanout                       // one-way, to all receivers
	FormNotification                 // one-way event for whoever listens
	FormReply                        // the (last) answer to a call
	FormHeartbeat                    // "still working": neither request nor reply
)

// Message is one message at one point, as a dialect decoded it. The strings may point into a
// buffer that is reused: the Pairer copies what it keeps.
type Message struct {
	Time     int64 // when it was seen, Unix microseconds
	Point    Point
	Form     Form
	OneSided bool // mirror mode: only requests are visible, no delivery or reply will follow
	Dialect  string

	VHost      string
	Exchange   string
	RoutingKey string
	Queue      string // of a delivery
	Connection string // broker's name of the connection that published or was delivered to
	Size       int    // body bytes

	// ReplyTo and ID name a call: the key is (VHost, ReplyTo, ID), never ID alone. In a reply,
	// ReplyTo is the address that the reply goes to. One-way messages have only ID (oslo's
	// _unique_id), "" if they have no identity at all.
	ReplyTo string
	ID      string

	Topic       string // what is called: oslo topic; else queue or routing key
	Server      string // host part of topic.host, "" if none
	Namespace   string
	Method      string
	Args        Args          // those that rules ask for, see keyrules.Needs
	Timeout     time.Duration // 0: none told
	Redelivered bool
	Unroutable  bool
	Error       string // of a reply: class of the remote exception

	Context         Context // from trace headers, zero if none
	GlobalRequestID string  // oslo _context_global_request_id
	RequestID       string  // oslo _context_request_id
	UserID          string  // oslo _context_user_id (also tells a user's context from a periodic task's)
	ProjectID       string
}
