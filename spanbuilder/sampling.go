package spanbuilder

import (
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// decided is whether a trace is recorded: as its caller decided, else by the head.
func decided(id span.TraceID, d Decision, by sampling.Head) bool {
	if !by.Alone && !by.Final {
		switch d {
		case Deny:
			return false
		case Accept, Debug:
			return true
		}
	}
	return by.Takes(id)
}

// decide says whether the span is recorded.
func (s *Server) decide(d Decision, by *sampling.Head) {
	s.Sampled = decided(s.TraceID, d, *by)
	s.Debug = s.Sampled && d == Debug
	s.Own = !by.Final && (d == Defer || by.Alone)
}

// headOf is how the trace is decided that begins with a message: by the share of that message's rule, if it has one. What a rule says of
// its calls alone, start applies.
func (t *Tracer) headOf(p *Pairer, m *Message) sampling.Head {
	if t.Rules == nil || !t.Rules.Samples() {
		return t.Head
	}
	facts := rpcCall(p.routes.get(m), "", "")
	if rule := t.Rules.Sampling(&facts); rule != nil {
		return t.Head.Ruled(rule.Share, false)
	}
	return t.Head
}

func mix(a, b uint64) uint64 { return span.Mix(a, b) }
