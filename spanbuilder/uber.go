package spanbuilder

import "github.com/calltap/calltap/span"

// maxUberTraceID is the longest header that ParseUberTraceID looks into: ids of full length with each colon as %3A.
const maxUberTraceID = 32 + 3 + 16 + 3 + 16 + 3 + 2

// ParseUberTraceID reads Jaeger's header uber-trace-id
// (https://www.jaegertracing.io/docs/1.60/client-libraries/#propagation-format):
//
//	<1 to 32 hex: trace id>:<1 to 16 hex: span id>:<parent's, ignored>:<1 or 2 hex: flags>
//
// Clients leave leading zeros of ids away, and some encode the colons as in a URL, %3A. Of the flags the
// lowest bit means sampled and the second debug.
func ParseUberTraceID(s string) (Context, Fault) {
	if len(s) > maxUberTraceID {
		return Context{}, BadLength
	}
	var part [4]string
	for i := range part[:3] {
		var ok bool
		if part[i], s, ok = cutColon(s); !ok {
			return Context{}, BadLength
		}
	}
	part[3] = s
	for i, most := range [4]int{32, 16, 16, 2} {
		if len(part[i]) == 0 || len(part[i]) > most {
			return Context{}, BadLength
		}
	}
	split := max(len(part[0])-16, 0)
	high, ok1 := parseHex(part[0][:split], true)
	low, ok2 := parseHex(part[0][split:], true)
	id, ok3 := parseHex(part[1], true)
	_, ok4 := parseHex(part[2], true)
	flags, ok5 := parseHex(part[3], true)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return Context{}, BadHex
	}
	c := Context{TraceID: span.TraceID{High: high, Low: low}, SpanID: span.ID(id), Decision: Deny}
	if c.TraceID.IsZero() || id == 0 {
		return Context{}, ZeroID
	}
	switch {
	case flags&2 != 0:
		c.Decision = Debug
	case flags&1 != 0:
		c.Decision = Accept
	}
	return c, NoFault
}

// cutColon splits s at its first colon, written as such or as %3A.
func cutColon(s string) (before, after string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ':':
			return s[:i], s[i+1:], true
		case '%':
			if len(s) >= i+3 && s[i+1] == '3' && s[i+2]|0x20 == 'a' {
				return s[:i], s[i+3:], true
			}
		}
	}
	return "", "", false
}
