package span

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// appendString appends s as a JSON string, quotes included.
//
// Nearly every string here is short plain ASCII, so it is first searched eight bytes at a time for
// anything else and copied whole if there is nothing.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plain(s) {
		dst = append(dst, s...)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether s consists of printable ASCII without quote and backslash, so that it is its
// own JSON form.
func plain(s string) bool {
	n := len(s)
	if n >= 8 {
		b := unsafe.Slice(unsafe.StringData(s), n)
		last := binary.LittleEndian.Uint64(b[n-8:]) // some bytes of it for the second time
		for ; len(b) > 8; b = b[8:] {
			if special(binary.LittleEndian.Uint64(b)) {
				return false
			}
		}
		return !special(last)
	}
	for i := 0; i < n; i++ {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// special reports whether any of the eight bytes of w is a control character, not ASCII, a quote or a
// backslash. It may also say so of a word that holds none (a borrow between bytes); never the other
// way round: subtracting 1 sets the top bit of a zero byte, subtracting 0x20 that of any below it,
// and bytes that had it before are not ASCII.
func special(w uint64) bool {
	found := w | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)
	return found&highs != 0
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
