package span

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// appendText appends s as a JSON string of which the opening quote has been written: nearly always at the end of a constant.
//
// Nearly every string here is short printable ASCII and is its own JSON form. So it is copied eight bytes at a time and
// looked at on the way; from the first word on that needs an escape, the rest is appendEscaped's.
func appendText(dst []byte, s string) []byte {
	start, n := len(dst), len(s)
	dst = room(dst, n+wordSize+1)
	if n < wordSize {
		return appendShort(dst, s)
	}
	out := dst[start:cap(dst)][:n+1]
	out[n] = '"'
	last := n - wordSize // some of the bytes of this word come twice
	for i := 0; i < last; i += wordSize {
		w := word(s[i : i+wordSize])
		binary.LittleEndian.PutUint64(out[i:i+wordSize], w)
		if special(w) != 0 {
			return appendEscaped(dst[:start+i], s, i)
		}
	}
	w := word(s[last:])
	binary.LittleEndian.PutUint64(out[last:], w)
	if special(w) != 0 {
		return appendEscaped(dst[:start+last], s, last)
	}
	return dst[:start+n+1]
}

// appendShort is appendText for less than a word. dst has room for one, and a quote.
func appendShort(dst []byte, s string) []byte {
	w := short(s)
	start, n := len(dst), len(s)
	out := dst[start : start+wordSize+1]
	binary.LittleEndian.PutUint64(out, w)
	if bits.TrailingZeros64(special(w)) < 8*n {
		return appendEscaped(dst, s, 0)
	}
	out[n] = '"'
	return dst[:start+n+1]
}

const (
	wordSize = 8

	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// word returns the first eight bytes of s, the first in the lowest byte.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// short is word for a shorter s: there are zeros behind it.
func short(s string) uint64 {
	switch n := len(s); {
	case n >= 4:
		return uint64(half(s)) | uint64(half(s[n-4:]))<<(8*(n-4)&63)
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<(8*(n/2)) | uint64(s[n-1])<<(8*(n-1))
	}
	return 0
}

func half(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// special marks, by its highest bit, any of the eight bytes of w that is a control character, not
// ASCII, a quote or a backslash. It may also mark a byte that is none of them (a borrow
// between bytes), but behind one that is; never the other way round: subtracting 1 sets the top bit of a zero byte,
// subtracting 0x21 that of any below it, which quotes and control characters are once their second bit is turned over,
// and bytes that had it before are not ASCII.
func special(w uint64) uint64 {
	return (w | ((w ^ ones*2) - ones*0x21) | ((w ^ ones*'\\') - ones)) & highs
}

// plain reports whether s is its own JSON form, for sure.
func plain(s string) bool {
	n := len(s)
	if n < wordSize {
		return bits.TrailingZeros64(special(short(s))) >= 8*n
	}
	last := n - wordSize
	for i := 0; i < last; i += wordSize {
		if special(word(s[i:i+wordSize])) != 0 {
			return false
		}
	}
	return special(word(s[last:])) == 0
}

// appendEscaped is the slow path, for s from i on: JSON's escapes, U+FFFD for what is not UTF-8, and U+2028 and
// U+2029 escaped as well since the result may be pasted into a script.
//
// It goes by words too. Each is written whole, and over again from its first byte that is special: that one special marks for sure.
func appendEscaped(dst []byte, s string, i int) []byte {
	n := len(dst)
	dst = room(dst, longestEscape*(len(s)-i)+wordSize+1)
	dst = dst[:cap(dst)]
	for i < len(s) {
		var w uint64
		if i <= len(s)-wordSize {
			w = word(s[i : i+wordSize])
		} else {
			w = rest(s, i)
		}
		binary.LittleEndian.PutUint64(dst[n:n+wordSize], w)
		found := special(w)
		if found == 0 { // no next word waits to be told how far this one was ordinary
			i, n = i+wordSize, n+wordSize
			continue
		}
		ordinary := bits.TrailingZeros64(found) / 8
		i, n = i+ordinary, n+ordinary
		if i == len(s) { // the first of the zeros behind it
			break
		}
		if c := s[i]; c < utf8.RuneSelf {
			e := escapes[c]
			binary.LittleEndian.PutUint64(dst[n:n+wordSize], uint64(e))
			i, n = i+1, n+e.len()
		}
		for i < len(s) && s[i] >= utf8.RuneSelf { // they come together
			read, wrote := putRune(dst[n:], s[i:])
			i, n = i+read, n+wrote
		}
	}
	dst[n] = '"'
	return dst[:n+1]
}

// rest returns what s has from i on, less than eight bytes, with zeros behind it.
func rest(s string, i int) uint64 {
	if last := len(s) - wordSize; last >= 0 {
		return word(s[last:]) >> (8 * (i - last) & 63)
	}
	return short(s) >> (8 * i & 63)
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

// room returns dst with a capacity for n more bytes.
func room(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		return grow(dst, n)
	}
	return dst
}

// grow is seldom called, and not inlined where it would stand in the way.
//
//go:noinline
func grow(dst []byte, n int) []byte { return slices.Grow(dst, n) }

// longestEscape is that of \u001f, or of the U+FFFD for one byte.
const longestEscape = 6

// escapes holds the form of each ASCII character in JSON.
var escapes = func() (table [utf8.RuneSelf]packed) {
	for c := range table {
		switch {
		case c == '"', c == '\\':
			table[c] = pack(`\` + string(rune(c)))
		case c == '\n':
			table[c] = pack(`\n`)
		case c == '\r':
			table[c] = pack(`\r`)
		case c == '\t':
			table[c] = pack(`\t`)
		case c < 0x20:
			table[c] = pack(`\u00` + string(hexDigits[c>>4]) + string(hexDigits[c&0xf]))
		default:
			table[c] = pack(string(rune(c)))
		}
	}
	return table
}()

// packed is a text of up to seven bytes, the first in the lowest byte, and its length in the highest.
type packed uint64

func pack(text string) packed { return packed(short(text)) | packed(len(text))<<56 }

func (p packed) len() int { return int(p >> 56) }
