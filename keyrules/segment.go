package keyrules

import (
	"bytes"
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
//     whole, so that long names with a common beginning stay apart; a key of more than 250 is cut
//     likewise, in the segment where it gets too long.
type keyWriter struct {
	n     int    // bytes written
	start int    // where the current segment begins
	over  bool   // the current segment is longer than maxSegment
	hash  uint32 // of the current segment, kept only if over
	tail  uint32 // of all segments that begin behind maxKey, which are not written
	buf   [maxKey + maxSegment + 2]byte
}

// put appends s to the current segment.
func (w *keyWriter) put(s string) {
	if w.over || w.n-w.start+len(s) > maxSegment || w.start > maxKey {
		w.putLong(s)
		return
	}
	for i := 0; i < len(s); i++ {
		w.buf[w.n] = safe[s[i]]
		w.n++
	}
}

// putLong takes what does not fit into a hash. It is off the usual path.
func (w *keyWriter) putLong(s string) {
	if w.start > maxKey {
		w.tail = fnv(w.tail, s)
		return
	}
	if !w.over {
		w.over = true
		w.hash = fnv(fnvBasis, w.buf[w.start:w.n])
	}
	for i := 0; i < len(s) && w.n-w.start < maxSegment; i++ {
		w.buf[w.n] = safe[s[i]]
		w.n++
	}
	w.hash = fnv(w.hash, s)
}

// end closes the current segment and begins the next.
func (w *keyWriter) end() {
	switch {
	case w.start > maxKey:
		w.tail = fnv(w.tail, ".")
		return
	case w.over:
		putHash(w.buf[w.n-hashLen:w.n], w.hash)
		w.over = false
	}
	if w.n > w.start {
		w.buf[w.n] = '.'
		w.n++
	}
	w.start = w.n
}

// segment appends s as a segment of its own.
func (w *keyWriter) segment(s string) {
	w.put(s)
	w.end()
}

// dotted begins a key with a prefix that was checked when the rules were compiled.
func (w *keyWriter) dotted(prefix string) {
	w.n = copy(w.buf[:], prefix)
	w.end()
}

// finish returns the key, without its last dot. All segments empty is the key "_none". The bytes are
// the writer's own.
func (w *keyWriter) finish() []byte {
	w.end()
	if w.n == 0 {
		return w.buf[:copy(w.buf[:], noneKey)]
	}
	key := w.buf[:w.n-1]
	if len(key) <= maxKey {
		return key
	}
	hash := fnv(w.tail, key)
	key = key[:maxKey-hashLen]
	last := bytes.LastIndexByte(key, '.') + 1 // its segment takes the hash, and must not outgrow
	key = key[:min(len(key), last+maxSegment-hashLen)+hashLen]
	putHash(key[len(key)-hashLen:], hash)
	return key
}

// only returns s as one safe segment, empty if s is.
func (w *keyWriter) only(s string) []byte {
	w.put(s)
	return w.finishSegment()
}

// finishSegment returns what was put, as one segment.
func (w *keyWriter) finishSegment() []byte {
	w.end()
	return w.buf[:max(w.n-1, 0)]
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

func fnv[T string | []byte](h uint32, s T) uint32 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * fnvPrime
	}
	return h
}

// hashLen is the length of a hash in a key: '-' and 8 digits.
const hashLen = 9

func putHash(dst []byte, h uint32) {
	const digits = "0123456789abcdef"
	dst[0] = '-'
	for i := 1; i < hashLen; i++ {
		dst[i] = digits[h>>28]
		h <<= 4
	}
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
