package spanbuilder

import (
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
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
	Head  sampling.Head // decides about traces that RPC begins; each site has its own for its requests
	Link  Link
	Links *Links // the HTTP spans that RPC may hang below; outlives reloads; nil is an empty table
	Sink  Sink

	// HasSources says that a source watches RPC, so that HTTP spans are worth remembering in Links
	// even without Link: trace headers in messages name their trace too.
	HasSources bool
}
