package keyrules

import (
	"unicode"
	"unicode/utf8"
)

// Lengths of what leaves this package, in bytes, and of what is read of each string that enters.
const (
	maxInput   = 4096
	maxSegment = 80
	maxKey     = 250
	maxText    = 250
)

// safe maps every byte to one that may stand in a key segment: [A-Za-z0-9_-] stay, all others, the
// dot too, become '_'. StatsD gives a meaning to '.', ':', '|', '@', '#' and newline, Graphite to '/'
// and more, so only what every back end takes literally is let through.
var safe = func() (t [256]byte) {
	for c := range t {
		switch b := byte(c); {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', b == '-':
			t[c] = b
		default:
			t[c] = '_'
		}
	}
	return t
}()

// keyWriter builds a dotted key of safe segments. The mapping is stable, so that any number of
// calltaps give the same call the same key:
//
//   - each unsafe byte becomes '_', and nothing else is added: the key stays readable and greppable,
//     at the price that `a b` and `a.b` fall together;
//   - an empty segment is left out;
//   - a segment of more than 80 bytes keeps its first 71, then '-' and 8 hex digits of a hash of the
//     whole, so that long names with a common beginning stay apart; a key of more than 250 likewise.
type keyWriter struct {
	buf   []byte
	start int    // where the current segment begins
	over  bool   // the current segment is longer than maxSegment
	hash  uint32 // of the current segment, kept only if over
}

// put appends s to the current segment.
func (w *keyWriter) put(s string) {
	if w.over || len(w.buf)-w.start+len(s) > maxSegment {
		w.putLong(s)
		return
	}
	for i := 0; i < len(s); i++ {
		w.buf = append(w.buf, safe[s[i]])
	}
}

// putLong takes what does not fit into the hash. It is off the usual path.
func (w *keyWriter) putLong(s string) {
	if !w.over {
		w.over = true
		w.hash = fnvBytes(fnvBasis, w.buf[w.start:])
	}
	for i := 0; i < len(s) && len(w.buf)-w.start < maxSegment; i++ {
		w.buf = append(w.buf, safe[s[i]])
	}
	w.hash = fnvString(w.hash, s)
}

// end closes the current segment and begins the next.
func (w *keyWriter) end() {
	if w.over {
		w.buf = appendHash(w.buf[:w.start+maxSegment-9], w.hash)
		w.over = false
	}
	if len(w.buf) > w.start {
		w.buf = append(w.buf, '.')
	}
	w.start = len(w.buf)
}

// segment appends s as a segment of its own.
func (w *keyWriter) segment(s string) {
	w.put(s)
	w.end()
}

// dotted appends a prefix that was checked when the rules were compiled.
func (w *keyWriter) dotted(s string) {
	w.buf = append(append(w.buf, s...), '.')
	w.start = len(w.buf)
}

// finish returns the key, without its last dot. All segments empty is the key "_none".
func (w *keyWriter) finish() []byte {
	w.end()
	if len(w.buf) == 0 {
		return append(w.buf, noneKey...)
	}
	key := w.buf[:len(w.buf)-1]
	if len(key) > maxKey {
		key = appendHash(key[:maxKey-9], fnvBytes(fnvBasis, key))
	}
	return key
}

// appendSafe appends s as one safe segment, bounded; an empty s stays empty.
func appendSafe(dst []byte, s string) []byte {
	w := keyWriter{buf: dst, start: len(dst)}
	w.put(s)
	w.end()
	if len(w.buf) > len(dst) {
		w.buf = w.buf[:len(w.buf)-1] // the dot
	}
	return w.buf
}

// appendText appends s to a span or service name of at most maxText bytes: what does not print, and
// what is not UTF-8, becomes '_', for such names are shown in web pages and terminals.
func appendText(dst []byte, s string) []byte {
	for i := 0; i < len(s) && len(dst) < maxText; {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				c = '_'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			dst = append(dst, '_')
		case len(dst)+n > maxText:
			return dst
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// FNV-1a of 32 bits: the same on every machine and in every version, unlike Go's own hash.
const (
	fnvBasis = 2166136261
	fnvPrime = 16777619
)

func fnvString(h uint32, s string) uint32 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * fnvPrime
	}
	return h
}

func fnvBytes(h uint32, s []byte) uint32 {
	for _, c := range s {
		h = (h ^ uint32(c)) * fnvPrime
	}
	return h
}

func appendHash(dst []byte, h uint32) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '-')
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, digits[h>>shift&15])
	}
	return dst
}

// cut bounds a foreign string to what is read of it.
func cut(s string) string {
	if len(s) > maxInput {
		return s[:maxInput]
	}
	return s
}

// isSafe reports whether s is one safe segment as it stands.
func isSafe(s string) bool {
	for i := 0; i < len(s); i++ {
		if safe[s[i]] != s[i] {
			return false
		}
	}
	return s != "" && len(s) <= maxSegment
}
