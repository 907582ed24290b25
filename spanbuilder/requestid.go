package spanbuilder

import "github.com/calltap/calltap/span"

// RequestIDLen is the length of the header that AppendRequestID writes.
const RequestIDLen = len("req-") + 36

// ParseRequestID reads an OpenStack request id, exactly "req-" and a UUID in lower-case hex with dashes,
// the only form that oslo.middleware lets through (oslo_middleware/request_id.py). The UUID is the trace id.
func ParseRequestID(s string) (span.TraceID, bool) {
	if len(s) != RequestIDLen || s[:4] != "req-" {
		return span.TraceID{}, false
	}
	return parseUUID(s[4:])
}

func parseUUID(s string) (span.TraceID, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return span.TraceID{}, false
	}
	a, ok1 := parseHex(s[:8], false)
	b, ok2 := parseHex(s[9:13], false)
	c, ok3 := parseHex(s[14:18], false)
	d, ok4 := parseHex(s[19:23], false)
	e, ok5 := parseHex(s[24:], false)
	t := span.TraceID{High: a<<32 | b<<16 | c, Low: d<<48 | e}
	return t, ok1 && ok2 && ok3 && ok4 && ok5 && !t.IsZero()
}

// AppendRequestID appends the OpenStack request id that carries t, RequestIDLen bytes.
func AppendRequestID(dst []byte, t span.TraceID) []byte {
	var hex [32]byte
	t.Append(hex[:0])
	dst = append(dst, "req-"...)
	for i, end := range [5]int{8, 12, 16, 20, 32} {
		if i > 0 {
			dst = append(dst, '-')
		}
		start := [5]int{0, 8, 12, 16, 20}[i]
		dst = append(dst, hex[start:end]...)
	}
	return dst
}

// UUID version and variant bits (RFC 9562). Version 8 is "custom": no client library makes such ids by
// itself, so they mark the trace ids that a calltap minted.
const (
	versionMask = 0xf << 12
	version8    = 0x8 << 12
	variantMask = 0x3 << 62
	variant     = 0x2 << 62
)

// mint gives t the bits by which a calltap further in knows that a calltap further out made it.
func mint(t span.TraceID) span.TraceID {
	t.High = t.High&^versionMask | version8
	t.Low = t.Low&^variantMask | variant
	return t
}

// minted reports whether t was made by mint: then its root span exists, and is rootID(t).
func minted(t span.TraceID) bool {
	return t.High&versionMask == version8 && t.Low&variantMask == variant
}
