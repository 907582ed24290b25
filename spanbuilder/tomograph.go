package spanbuilder

import (
	"encoding/base64"

	"github.com/calltap/calltap/span"
)

// The lengths of a tomograph header: two ids of one digit, and two Python longs of 19.
const (
	minTomograph = 16
	maxTomograph = 72
)

// ParseTomograph reads Tomograph's header X-Trace-Info (tomograph/tomograph.py, add_trace_info_header): the base64 of a pickle,
// protocol 0, of the tuple (trace id, span id). It is recognised byte by byte and never unpickled, which would run whatever
// a client sends:
//
//	(I<1 to 19 digits>\nI<1 to 19 digits>\ntp0\n.
//
// An id may also be a long, L<digits>L, and the memo p1, as other versions of Python write them. Ids are of 64 bits; there is no sampling decision.
func ParseTomograph(s string) (Context, Fault) {
	if len(s) < minTomograph || len(s) > maxTomograph {
		return Context{}, BadLength
	}
	var text [maxTomograph]byte
	var raw [maxTomograph / 4 * 3]byte
	n, err := base64.StdEncoding.Strict().Decode(raw[:], text[:copy(text[:], s)])
	if err != nil || n == 0 || raw[0] != '(' || !isBase64(s) { // Go's decoder skips newlines
		return Context{}, BadPattern
	}
	trace, rest, ok1 := cutPickled(raw[1:n])
	id, rest, ok2 := cutPickled(rest)
	if !ok1 || !ok2 || string(rest) != "tp0\n." && string(rest) != "tp1\n." {
		return Context{}, BadPattern
	}
	if trace == 0 || id == 0 {
		return Context{}, ZeroID
	}
	return Context{TraceID: span.TraceID{Low: trace}, SpanID: span.ID(id)}, NoFault
}

// cutPickled reads an integer, I…\n or L…L\n, off the front of b.
func cutPickled(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != 'I' && b[0] != 'L' {
		return 0, nil, false
	}
	digits := 0
	for digits+1 < len(b) && b[digits+1]-'0' <= 9 {
		digits++
	}
	v, ok = parseDecimal(b[1 : 1+digits])
	rest = b[1+digits:]
	if b[0] == 'L' {
		if len(rest) == 0 || rest[0] != 'L' {
			return 0, nil, false
		}
		rest = rest[1:]
	}
	if !ok || v > 1<<63-1 || len(rest) == 0 || rest[0] != '\n' {
		return 0, nil, false
	}
	return v, rest[1:], true
}

// isProfilerInfo reports whether an X-Trace-Info is OSProfiler's, the base64 of a JSON object. Such a text cannot be a pickle: there is
// no opcode '{'.
func isProfilerInfo(s string) bool { return len(s) > 2 && s[0] == 'e' && s[1]-'w' <= 3 }

func allProfilerInfo(v []string) bool {
	for _, s := range v {
		if !isProfilerInfo(s) {
			return false
		}
	}
	return true
}
