package spanbuilder

import (
	"sync/atomic"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

// Sink takes finished spans. Offer copies *s, never blocks and never fails its caller.
type Sink interface {
	Offer(s *span.Span)
}

// Link says how RPC messages without trace headers find their trace.
type Link uint8

// The ways to link.
const (
	LinkNone      Link = iota
	LinkOpenStack      // X-OpenStack-Request-ID carries the trace id out, _context_global_request_id brings it back
)

// Tracer is what one loaded configuration decides, and where its spans go. It is immutable:
// a reload makes a new one. The HTTP handler and the sources share it.
type Tracer struct {
	Rules *keyrules.Set
	Ratio float64 // 0..1, decided on the trace id so that both sides agree without talking
	Link  Link
	Links *Links // the HTTP spans that RPC may hang below; outlives reloads
	Sink  Sink
}

// Decision is what the caller said about sampling.
type Decision uint8

// The decisions that trace headers can carry.
const (
	Defer Decision = iota
	Deny
	Accept
	Debug
)

// Context is an inbound trace context, of an HTTP request or an AMQP message.
type Context struct {
	TraceID  span.TraceID
	SpanID   span.ID // the caller's span; zero if only the trace is known
	Decision Decision
	State    string // W3C tracestate, passed on unchanged
}

// Server is the identity of one HTTP server span.
type Server struct {
	TraceID span.TraceID
	ID      span.ID
	Parent  span.ID
	Sampled bool
	Debug   bool
	Linked  bool // Parent came from X-OpenStack-Request-ID
}

// Links remembers the HTTP server spans of recent traces, so that an RPC of the same trace can hang
// below the right one. Fixed size, never blocks for long, overwrites the oldest.
type Links struct{ _ atomic.Uint64 }

// Entry is what Links keeps of an HTTP server span.
type Entry struct {
	ID      span.ID
	Sampled bool
	Service string
}

// NewLinks makes a table of about n entries; n <= 0 is the default of 65,536.
func NewLinks(n int) *Links { return &Links{} }

// Put records the span by which a trace entered. The first of a trace wins until it is overwritten.
func (l *Links) Put(t span.TraceID, e Entry) {}

// Get returns the entry span of a trace.
func (l *Links) Get(t span.TraceID) (Entry, bool) { return Entry{}, false }
