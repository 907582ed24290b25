package span

import "net/netip"

// Kind says which end of which exchange a span is; it gives its times their meaning.
type Kind uint8

// The kinds of Zipkin v2. KindNone is a local span and has no kind on the wire.
const (
	KindNone     Kind = iota
	KindClient        // request sent .. reply received
	KindServer        // request received .. reply sent
	KindProducer      // one-way message sent
	KindConsumer      // one-way message received
)

// String returns Zipkin's word, "" for KindNone.
func (k Kind) String() string {
	switch k {
	case KindClient:
		return "CLIENT"
	case KindServer:
		return "SERVER"
	case KindProducer:
		return "PRODUCER"
	case KindConsumer:
		return "CONSUMER"
	default:
		return ""
	}
}

// Endpoint is one side of a call. The zero value is unknown and is not encoded.
type Endpoint struct {
	Service string
	IP      netip.Addr
	Port    uint16
}

// IsZero reports whether nothing is known of the endpoint.
func (e Endpoint) IsZero() bool { return e.Service == "" && !e.IP.IsValid() && e.Port == 0 }

// Tag is a fact about a span, searchable in Zipkin.
type Tag struct{ Key, Value string }

// SetTag gives tags one of that name and value, in place of the one that has the name: a span has each tag once.
func SetTag(tags []Tag, name, value string) []Tag {
	for i := range tags {
		if tags[i].Key == name {
			tags[i].Value = value
			return tags
		}
	}
	return append(tags, Tag{Key: name, Value: value})
}

// Note is a moment inside a span: a Zipkin annotation, and in StatsD a counter named KEY.VALUE.
type Note struct {
	Time  int64 // Unix time, microseconds
	Value string
}

// Timer is a further length of the same call that deserves a metric but no span of its own,
// such as the time that a request waited in its queue. StatsD's name is KEY.NAME.
type Timer struct {
	Name   string // one safe segment, e.g. "queue_wait"
	Micros int64
}

// Span is one finished call, or one side of it, ready to be sent.
//
// Whoever offers a Span to a pipeline gives it away: the strings and slices in it are read later
// by other goroutines and must never change again.
type Span struct {
	TraceID  TraceID
	ID       ID
	Parent   ID // zero: a root
	Kind     Kind
	Shared   bool // the id was made by the other side (B3 server joining a client's span)
	Debug    bool
	Echo     bool   // the other side of the same call gives a span of the same key, which counts the call
	Sampled  bool   // false: counts in metrics only, is sent to no tracer
	Counted  bool   // metrics have had it: it is for tracers alone
	Settled  bool   // Sampled is final: what becomes of the rest of its trace does not change it
	Error    string // "" is success; else the Zipkin tag "error": a short class, never a message
	Start    int64  // Unix time, microseconds; always > 0
	Duration int64  // microseconds; 0 is unknown (an unfinished or one-way span)
	Name     string
	Key      string // metric key, also the tag calltap.key; "" is none
	Local    Endpoint
	Remote   Endpoint
	HTTP     HTTP // of a request; else zero
	Tags     []Tag
	Notes    []Note
	Timers   []Timer
}
