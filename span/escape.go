package span

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
	"unsafe"
)

// appendString appends s as a JSON string, quotes included.
//
// Nearly every string here is short printable ASCII and is its own JSON form. So it is copied eight
// bytes at a time, looked at on the way, and written anew only if anything needed an escape.
func appendString(dst []byte, s string) []byte {
	start, n := len(dst), len(s)
	if n < 8 {
		return appendShort(dst, s)
	}
	dst = slices.Grow(dst, n+2)[:start+n+2]
	dst[start] = '"'
	in, out := unsafe.Slice(unsafe.StringData(s), n), dst[start+1:start+1+n]
	last := binary.LittleEndian.Uint64(in[n-8:]) // some of these bytes come twice
	binary.LittleEndian.PutUint64(out[n-8:], last)
	found := special(last)
	for len(in) > 8 && len(out) > 8 {
		w := binary.LittleEndian.Uint64(in)
		binary.LittleEndian.PutUint64(out, w)
		found |= special(w)
		in, out = in[8:], out[8:]
	}
	if found&highs != 0 {
		return append(appendEscaped(dst[:start+1], s), '"')
	}
	dst[start+1+n] = '"'
	return dst
}

func appendShort(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			dst = appendEscaped(dst, s[i:])
			return append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has, under highs, a bit for any of the eight bytes of w that is a control character, not
// ASCII, a quote or a backslash. It may also have one for a word that holds none of them (a borrow
// between bytes); never the other way round: subtracting 1 sets the top bit of a zero byte,
// subtracting 0x20 that of any below it, and bytes that had it before are not ASCII.
func special(w uint64) uint64 {
	return w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)
}

// plain reports whether s is its own JSON form, for sure.
func plain(s string) bool {
	if n := len(s); n >= 8 {
		in := unsafe.Slice(unsafe.StringData(s), n)
		found := special(binary.LittleEndian.Uint64(in[n-8:]))
		for ; len(in) > 8; in = in[8:] {
			found |= special(binary.LittleEndian.Uint64(in))
		}
		return found&highs == 0
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendEscaped is the slow path: JSON's escapes, U+FFFD for what is not UTF-8, and U+2028 and
// U+2029 escaped as well since the result may be pasted into a script.
func appendEscaped(dst []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				i += plainPrefix(s[i:])
				continue
			}
			dst = append(dst, s[done:i]...)
			dst = appendEscapedByte(dst, c)
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			done = i
			continue
		}
		if r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[done:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...)
}

// plainPrefix returns how many bytes s begins with that are their own JSON form, as far as whole words tell: the rest,
// fewer than eight, is for the caller to look at. Within a word the first byte that special marks is one for sure.
func plainPrefix(s string) (n int) {
	for in := unsafe.Slice(unsafe.StringData(s), len(s)); len(in) >= 8; in = in[8:] {
		if found := special(binary.LittleEndian.Uint64(in)) & highs; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
		n += 8
	}
	return n
}

func appendEscapedByte(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
