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

// Clock says whose clock a Message's Time is by.
type Clock uint8

// The clocks, the worst first.
const (
	ClockUnknown Clock = iota // a recording's
	ClockTap                  // the tap's own, when it got the copy, less its lag as far as known
	ClockBroker               // the broker's, when it took the message in (timestamp_in_ms)
)

// Ident names a piece of work in a protocol's own words, hashed by IdentOf. Zero is none.
type Ident uint64

// IdentOf hashes the words that name a piece of work. Dialects use it for both ends of a relation, Message.Work
// and Message.Parent.
func IdentOf(words ...string) Ident {
	var h hasher
	for _, w := range words {
		h.text(w)
	}
	return Ident(h.sum().low | 1)
}

// Message is one message at one point, as a dialect decoded it. The strings may point into a
// buffer that is reused: the Pairer copies what it keeps.
type Message struct {
	Time     int64 // when it was at that point, Unix microseconds, by Clock
	Clock    Clock
	Lag      int64 // how late the tap was, or at most was, when it got the copy, microseconds; 0 is unknown
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

	// ReplyElsewhere says that ReplyTo may be another process's than the sender's: in Celery, what a task sends of a
	// chain answers to whoever began the chain.
	ReplyElsewhere bool

	Topic       string // what is called: oslo topic; else queue or routing key
	Server      string // host part of topic.host, "" if none
	Namespace   string
	Method      string
	Args        Args          // those that rules ask for, see keyrules.Needs
	Timeout     time.Duration // 0: none told
	NotBefore   int64         // when the receiver is asked to begin at the earliest, Unix microseconds by the sender's clock; 0: at once
	Redelivered bool
	Unroutable  bool
	MayNotReply bool   // of a call: the receiver may be set up to send no reply, so that none is no timeout
	DeadReason  string // why it was dead-lettered before (x-death): expired, rejected, maxlen, delivery_limit; "" if it was not
	DeadQueue   string // from which queue
	Sender      string // what the message itself says of who sent it, such as MassTransit's host.processName
	Error       string // of a reply: class of the remote exception

	Context Context // from trace headers, zero if none; its SpanID may be zero alone

	// What protocols with a tree of their own tell of it. Parent and Work need not be unique: of several works of that name it
	// is the one that the sender can have been doing.
	Root   string // names the whole tree: Celery's root_id, the first of nameko.call_id_stack; a UUID becomes the trace id
	Work   Ident  // names the receiver's work on this message, as what comes out of it will say in Parent
	Parent Ident  // names the work that this message came out of

	GlobalRequestID string // oslo _context_global_request_id
	RequestID       string // oslo _context_request_id
	UserID          string // oslo _context_user_id (also tells a user's context from a periodic task's)
	ProjectID       string
}
