package dialect

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnescaped appends what a JSON string means whose inside, as it stands, is src. Broken
// escapes stay as they are: whoever reads the result finds it odd, and nothing worse. dst may be
// src[:0], since what is unescaped is never longer.
func appendUnescaped(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		if src[i] != '\\' || i+1 == len(src) {
			dst = append(dst, src[i])
			i++
			continue
		}
		if src[i+1] == 'u' {
			r, n := unescapeRune(src[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		dst = append(dst, unescapeByte(src[i+1]))
		i += 2
	}
	return dst
}

func unescapeByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash and slash stand for themselves
}

// unescapeRune reads the \uXXXX that src begins with, or two that are a surrogate pair, and how
// long it is. Like encoding/json it makes U+FFFD of half a pair.
func unescapeRune(src []byte) (rune, int) {
	r, ok := hex4(src)
	if !ok {
		return 'u', 2
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(src[6:]); ok {
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads \uXXXX.
func hex4(src []byte) (rune, bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(src[2:6]), 16, 32)
	return rune(n), err == nil
}
