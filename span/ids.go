package span

import (
	"encoding/binary"
	"math/bits"
)

const hexDigits = "0123456789abcdef"

// TraceID is a 128-bit trace id. The zero value is no trace.
type TraceID struct{ High, Low uint64 }

// IsZero reports whether t is no trace id; W3C and B3 both forbid it on the wire.
func (t TraceID) IsZero() bool { return t.High == 0 && t.Low == 0 }

// Append appends the id as 32 lower-case hex digits.
func (t TraceID) Append(dst []byte) []byte {
	return appendHex(appendHex(dst, t.High), t.Low)
}

// String returns the id as 32 lower-case hex digits.
func (t TraceID) String() string { return string(t.Append(make([]byte, 0, 32))) }

// ParseTraceID reads 1 to 32 hex digits of either case, as Zipkin's API takes them: missing digits
// on the left are zeros, so the 64-bit form of an id has High 0. False means that s is not an id;
// the id of zeros is none.
func ParseTraceID(s string) (TraceID, bool) {
	if len(s) == 0 || len(s) > 32 {
		return TraceID{}, false
	}
	var t TraceID
	for i := 0; i < len(s); i++ {
		d, ok := unhex(s[i])
		if !ok {
			return TraceID{}, false
		}
		t.High = t.High<<4 | t.Low>>60
		t.Low = t.Low<<4 | uint64(d)
	}
	return t, !t.IsZero()
}

// ID is a 64-bit span id. Zero is no span.
type ID uint64

// Append appends the id as 16 lower-case hex digits.
func (id ID) Append(dst []byte) []byte { return appendHex(dst, uint64(id)) }

// String returns the id as 16 lower-case hex digits.
func (id ID) String() string { return string(id.Append(make([]byte, 0, 16))) }

// appendHex spreads eight nibbles over eight bytes at once: an id a span costs 3 ns, not 15.
func appendHex(dst []byte, v uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, hex32(uint32(v>>32)))
	return binary.BigEndian.AppendUint64(dst, hex32(uint32(v)))
}

// hex32 returns the eight lower-case hex digits of v, the first in the highest byte.
func hex32(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	letters := ((x + 0x0606060606060606) >> 4) & 0x0101010101010101 // 1 in each byte that is above 9
	return x + 0x3030303030303030 + letters*('a'-'0'-10)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// Mix folds two words into one in which every bit depends on all of theirs. All calltaps sample by it, so it never changes.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	x := hi ^ lo ^ a ^ bits.RotateLeft64(b, 32)
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
