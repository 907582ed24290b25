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
//
// It goes by words too. Each is written whole, and over again from its first byte that is special: that one special marks for sure.
func appendEscaped(dst []byte, s string) []byte {
	n := len(dst)
	dst = slices.Grow(dst, longestEscape*len(s)+8)
	dst = dst[:cap(dst)]
	for len(s) > 0 {
		if len(s) >= 8 {
			w := binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s), 8))
			binary.LittleEndian.PutUint64(dst[n:], w)
			found := special(w) & highs
			if found == 0 { // no next word waits for how far this one was ordinary
				s, n = s[8:], n+8
				continue
			}
			ordinary := bits.TrailingZeros64(found) / 8
			s, n = s[ordinary:], n+ordinary
		}
		if c := s[0]; c < utf8.RuneSelf {
			e := escapes[c]
			binary.LittleEndian.PutUint64(dst[n:], e)
			s, n = s[1:], n+int(e>>56)
			continue
		}
		read, wrote := putRune(dst[n:], s)
		s, n = s[read:], n+wrote
	}
	return dst[:n]
}

// putRune writes the first character of s, which is not ASCII, and returns how many bytes that was before and after.
func putRune(dst []byte, s string) (read, wrote int) {
	if c := s[0]; c >= 0xc2 && c < 0xe0 && len(s) > 1 && s[1]&0xc0 == 0x80 { // most letters
		dst[1], dst[0] = s[1], c
		return 2, 2
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return 1, copy(dst, `\ufffd`)
	case r == '\u2028':
		return size, copy(dst, `\u2028`)
	case r == '\u2029':
		return size, copy(dst, `\u2029`)
	}
	return size, copy(dst, s[:size])
}

// longestEscape is that of \u001f, or of the U+FFFD for one byte.
const longestEscape = 6

// escapes holds the form of each ASCII character in JSON, in the order in which bytes are written, and in the highest byte how many they are.
var escapes = func() (table [utf8.RuneSelf]uint64) {
	for c := range table {
		text := [8]byte{byte(c)}
		n := 1
		switch {
		case c == '"', c == '\\':
			n = copy(text[:], []byte{'\\', byte(c)})
		case c == '\n':
			n = copy(text[:], `\n`)
		case c == '\r':
			n = copy(text[:], `\r`)
		case c == '\t':
			n = copy(text[:], `\t`)
		case c < 0x20:
			n = copy(text[:], []byte{'\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf]})
		}
		text[7] = byte(n)
		table[c] = binary.LittleEndian.Uint64(text[:])
	}
	return table
}()
