package spanbuilder

import (
	"strings"

	"github.com/calltap/calltap/span"
)

// B3MaxLen is the greatest length of the header that AppendB3 writes.
const B3MaxLen = 32 + 1 + 16 + 1 + 1 + 1 + 16

// ParseB3 reads a B3 single header (https://github.com/openzipkin/b3-propagation):
//
//	<16 or 32 hex: trace id>-<16 hex: span id>[-<0|1|d>][-<16 hex: parent's id>]
//	<0|1|d>
//
// The second form is a decision without ids. Hex of either case is taken, as zipkin-go does.
func ParseB3(s string) (Context, Fault) {
	if len(s) == 1 {
		d, ok := b3Decision(s)
		if !ok {
			return Context{}, BadDecision
		}
		return Context{Decision: d}, NoFault
	}
	traceLen := 16
	if len(s) > 32 && s[32] == '-' {
		traceLen = 32
	}
	if len(s) < traceLen+17 || s[traceLen] != '-' {
		return Context{}, BadLength
	}
	c, f := parseIDs(s[:traceLen], s[traceLen+1:traceLen+17])
	if f != NoFault {
		return Context{}, f
	}
	return b3Tail(c, s[traceLen+17:])
}

// b3Tail reads what may follow the ids of a B3 single header: a decision, the id of the parent, or both.
func b3Tail(c Context, tail string) (Context, Fault) {
	if len(tail) == 2 || len(tail) == 2+17 {
		d, ok := b3Decision(tail[1:2])
		if tail[0] != '-' || !ok {
			return Context{}, BadDecision
		}
		c.Decision = d
		tail = tail[2:]
	}
	if tail == "" {
		return c, NoFault
	}
	// The parent's own parent is of no use here, but a header that lies in one part is not trusted in another.
	if len(tail) != 17 || tail[0] != '-' {
		return Context{}, BadLength
	}
	if _, ok := parseHex(tail[1:], true); !ok {
		return Context{}, BadHex
	}
	return c, NoFault
}

func b3Decision(s string) (Decision, bool) {
	switch s {
	case "0":
		return Deny, true
	case "1":
		return Accept, true
	case "d":
		return Debug, true
	}
	return Defer, false
}

// parseMulti reads the B3 multi headers. It reports false if there is neither an id nor a decision.
func parseMulti(trace, id, sampled, flags string) (Context, bool, Fault) {
	var c Context
	var fault Fault
	switch {
	case trace != "" && id != "":
		c, fault = parseIDs(trace, id)
	case trace != "" || id != "":
		fault = MissingID
	}
	if fault != NoFault {
		// Without the ids that it was sent for, a decision would steer a trace that is not the caller's.
		return Context{}, false, fault
	}
	switch {
	case sampled == "":
	case sampled == "1", sampled == "d", strings.EqualFold(sampled, "true"): // older clients write a word, in the case of their language
		c.Decision = Accept
	case sampled == "0", strings.EqualFold(sampled, "false"):
		c.Decision = Deny
	default:
		fault = BadDecision
	}
	if flags == "1" {
		c.Decision = Debug
	}
	return c, c.Decision != Defer || c.SpanID != 0, fault
}

func parseIDs(trace, id string) (Context, Fault) {
	if len(trace) != 16 && len(trace) != 32 || len(id) != 16 {
		return Context{}, BadLength
	}
	var c Context
	ok := true
	if len(trace) == 32 {
		c.TraceID.High, ok = parseHex(trace[:16], true)
		trace = trace[16:]
	}
	low, ok2 := parseHex(trace, true)
	sid, ok3 := parseHex(id, true)
	if !ok || !ok2 || !ok3 {
		return Context{}, BadHex
	}
	c.TraceID.Low, c.SpanID = low, span.ID(sid)
	if c.TraceID.IsZero() || sid == 0 {
		return Context{}, ZeroID
	}
	return c, NoFault
}

// AppendB3 appends the B3 single header that makes s the parent of the next hop, at most B3MaxLen
// bytes. A trace that came with a 64-bit id goes on with one.
func AppendB3(dst []byte, s Server) []byte {
	if s.TraceID.High != 0 {
		dst = span.ID(s.TraceID.High).Append(dst)
	}
	dst = span.ID(s.TraceID.Low).Append(dst)
	dst = append(dst, '-')
	return appendDecision(s.ID.Append(dst), &s)
}

// AppendB3Beside is AppendB3 for who has the traceparent of s, where the same ids stand in the same text.
func AppendB3Beside(dst []byte, traceparent string, s *Server) []byte {
	if s.TraceID.High == 0 || len(traceparent) != TraceparentLen {
		return AppendB3(dst, *s)
	}
	return appendDecision(append(dst, traceparent[len("00-"):TraceparentLen-len("-01")]...), s)
}

func appendDecision(dst []byte, s *Server) []byte {
	switch {
	case s.Debug:
		dst = append(dst, "-d"...)
	case s.Sampled:
		dst = append(dst, "-1"...)
	default:
		dst = append(dst, "-0"...)
	}
	if s.Parent != 0 {
		dst = append(dst, '-')
		dst = s.Parent.Append(dst)
	}
	return dst
}
