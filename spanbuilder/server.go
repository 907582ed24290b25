package spanbuilder

import (
	"math/rand/v2"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// Server is the identity of one HTTP server span.
type Server struct {
	TraceID span.TraceID
	ID      span.ID
	Parent  span.ID
	Sampled bool
	Debug   bool
	Own     bool // Sampled was decided here, neither by the caller nor before
	Random  bool // W3C's flag came with the trace id
}

// StartServer gives an HTTP request its place: in the trace of its headers (in, if inFound), else,
// with LinkOpenStack, in the trace that its X-OpenStack-Request-ID names, else in a new one. It
// remembers the span in Links, so that RPC of the same trace can hang below it. service is the
// name of the site, kept for labelling the callers of RPC.
//
// by decides whether a new trace is recorded, and what the caller's decision counts.
//
// With LinkOpenStack the caller sends AppendRequestID(TraceID) on, unless the client sent a valid id of its own.
func (t *Tracer) StartServer(in Context, inFound bool, requestID string, requestIDFound bool, service string, by sampling.Head) Server {
	var named span.TraceID // by the request id
	if t.Link == LinkOpenStack && requestIDFound {
		named, _ = ParseRequestID(requestID)
	}
	if !inFound {
		in = Context{}
	}
	var s Server
	switch {
	case !in.TraceID.IsZero():
		s = Server{TraceID: in.TraceID, Parent: in.SpanID, ID: newID(), Random: in.Random}
		if in.SpanID == 0 && minted(in.TraceID) { // else others may come with the same trace and no span either
			s.ID = rootID(in.TraceID)
		}
		s.decide(in.Decision, &by)
	case !named.IsZero():
		s = t.joinNamed(named, in.Decision, by)
	default:
		t.newRoot(&s)
		s.decide(in.Decision, &by)
	}
	if t.Link != LinkNone || t.HasSources {
		t.remember(&s, named, service)
	}
	return s
}

// StartRoot is StartServer for a request that says nothing of a trace, as most from outside do. It puts the span into s.
func (t *Tracer) StartRoot(s *Server, service string, by *sampling.Head) {
	t.newRoot(s)
	s.Sampled, s.Own = by.Takes(s.TraceID), !by.Final
	if t.Link != LinkNone || t.HasSources {
		t.remember(s, span.TraceID{}, service)
	}
}

// newRoot makes s the root of a new trace.
func (t *Tracer) newRoot(s *Server) {
	id := span.TraceID{High: rand.Uint64(), Low: rand.Uint64()}
	if t.Link == LinkOpenStack {
		id = mint(id)
	}
	id = nonZero(id)
	*s = Server{TraceID: id, ID: rootID(id)}
}

// joinNamed places a request by its X-OpenStack-Request-ID. Three callers send one: a service behind a
// calltap, whose entry span is remembered here or, from another process, known by the bits of mint; and
// a client of its own accord, which makes this span the root.
func (t *Tracer) joinNamed(named span.TraceID, d Decision, by sampling.Head) Server {
	s := Server{TraceID: named, ID: newID()}
	if e, ok := t.Links.Get(named); ok {
		s.TraceID, s.Parent = e.TraceID, e.ID
		if !by.Final && (d == Defer || by.Alone) {
			s.Sampled = e.Sampled
			return s
		}
	} else if minted(named) {
		s.Parent = rootID(named)
	} else {
		s.ID = rootID(named)
	}
	s.decide(d, &by)
	return s
}

// remember puts the span under the ids that its RPC can come back with.
func (t *Tracer) remember(s *Server, named span.TraceID, service string) {
	e := Entry{TraceID: s.TraceID, ID: s.ID, Sampled: s.Sampled, Service: service}
	t.Links.Put(s.TraceID, e)
	if !named.IsZero() && named != s.TraceID {
		t.Links.Put(named, e) // the client sent trace headers and a request id that disagree
	}
}

// LinkResponse remembers s under the request id that its response shows, X-OpenStack-Request-ID or the like: RPC that
// tells only that id belongs to it. Anything else than an id is ignored. It does not allocate.
func (t *Tracer) LinkResponse(requestID string, s Server, service string) {
	if id, ok := ParseRequestID(requestID); ok && id != s.TraceID {
		t.Links.Put(id, Entry{TraceID: s.TraceID, ID: s.ID, Sampled: s.Sampled, Service: service})
	}
}

// rootID is the span id of a trace's root: the low 64 bits of the trace id, so that who knows the trace knows
// the root. It is never zero.
func rootID(t span.TraceID) span.ID {
	if t.Low == 0 {
		return span.ID(t.High)
	}
	return span.ID(t.Low)
}

func newID() span.ID {
	for {
		if id := rand.Uint64(); id != 0 {
			return span.ID(id)
		}
	}
}

func nonZero(t span.TraceID) span.TraceID {
	if t.IsZero() {
		t.Low = 1
	}
	return t
}
