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

// Put writes the id as 32 lower-case hex digits.
func (t TraceID) Put(dst *[32]byte) {
	putHex((*[16]byte)(dst[:16]), t.High)
	putHex((*[16]byte)(dst[16:]), t.Low)
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

// Put writes the id as 16 lower-case hex digits.
func (id ID) Put(dst *[16]byte) { putHex(dst, uint64(id)) }

// Append appends the id as 16 lower-case hex digits.
func (id ID) Append(dst []byte) []byte { return appendHex(dst, uint64(id)) }

// String returns the id as 16 lower-case hex digits.
func (id ID) String() string { return string(id.Append(make([]byte, 0, 16))) }

func appendHex(dst []byte, v uint64) []byte {
	dst = room(dst, 16)
	n := len(dst)
	dst = dst[:n+16]
	putHex((*[16]byte)(dst[n:]), v)
	return dst
}

// putHex looks up two digits at a time. That is written out, since the compiler unrolls no loop and each span has four of these.
func putHex(dst *[16]byte, v uint64) {
	binary.LittleEndian.PutUint16(dst[0:], hexPairs[byte(v>>56)])
	binary.LittleEndian.PutUint16(dst[2:], hexPairs[byte(v>>48)])
	binary.LittleEndian.PutUint16(dst[4:], hexPairs[byte(v>>40)])
	binary.LittleEndian.PutUint16(dst[6:], hexPairs[byte(v>>32)])
	binary.LittleEndian.PutUint16(dst[8:], hexPairs[byte(v>>24)])
	binary.LittleEndian.PutUint16(dst[10:], hexPairs[byte(v>>16)])
	binary.LittleEndian.PutUint16(dst[12:], hexPairs[byte(v>>8)])
	binary.LittleEndian.PutUint16(dst[14:], hexPairs[byte(v)])
}

// hexPairs holds the two digits of each byte.
var hexPairs = func() (t [256]uint16) {
	for i := range t {
		t[i] = uint16(hexDigits[i>>4]) | uint16(hexDigits[i&0xf])<<8
	}
	return t
}()

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
