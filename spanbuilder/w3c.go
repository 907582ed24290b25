package spanbuilder

import "github.com/calltap/calltap/span"

// The flags of a traceparent.
const (
	flagSampled = 1 << iota
	flagRandom  // of level 2
)

// TraceparentLen is the length of the header that AppendTraceparent writes.
const TraceparentLen = 55

// ParseTraceparent reads a W3C traceparent, version 00 (https://www.w3.org/TR/trace-context/):
//
//	00-<32 hex: trace id>-<16 hex: parent id>-<2 hex: flags>
//
// A later version may have more fields after a further dash; they are ignored, as W3C asks. Hex must be
// lower case.
func ParseTraceparent(s string) (Context, Fault) {
	if len(s) < TraceparentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Context{}, BadLength
	}
	version, ok := parseHex(s[:2], false)
	if !ok || version == 0xff {
		return Context{}, BadVersion
	}
	if len(s) > TraceparentLen && (version == 0 || s[TraceparentLen] != '-') {
		return Context{}, BadLength
	}
	high, ok1 := parseHex(s[3:19], false)
	low, ok2 := parseHex(s[19:35], false)
	id, ok3 := parseHex(s[36:52], false)
	flags, ok4 := parseHex(s[53:55], false)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Context{}, BadHex
	}
	c := Context{TraceID: span.TraceID{High: high, Low: low}, SpanID: span.ID(id), Decision: Deny, Random: flags&flagRandom != 0}
	if c.TraceID.IsZero() || id == 0 {
		return Context{}, ZeroID
	}
	if flags&flagSampled != 0 {
		c.Decision = Accept
	}
	return c, NoFault
}

// AppendTraceparent appends what PutTraceparent writes.
func AppendTraceparent(dst []byte, s Server) []byte {
	var text [TraceparentLen]byte
	PutTraceparent(&text, &s)
	return append(dst, text[:]...)
}

// PutTraceparent writes the W3C header that makes s the parent of the next hop. The flag of a random
// trace id goes on as it came, as level 2 demands. On an id of our own, where it only recommends the flag, it is not set: readers of level 1,
// such as OpenTelemetry's for Go until recently, refuse the whole header for it.
func PutTraceparent(dst *[TraceparentLen]byte, s *Server) {
	dst[0], dst[1], dst[2], dst[35], dst[52], dst[53] = '0', '0', '-', '-', '-', '0'
	s.TraceID.Put((*[32]byte)(dst[3:]))
	s.ID.Put((*[16]byte)(dst[36:]))
	flags := byte('0')
	if s.Sampled || s.Debug {
		flags |= flagSampled
	}
	if s.Random {
		flags |= flagRandom
	}
	dst[54] = flags
}
