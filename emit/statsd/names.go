package statsd

import "strings"

// Bounds of names, in bytes. With all of them, separators and the longest number a line stays below
// minDatagram, so that a metric never has to be cut.
const (
	maxPrefix  = 100
	maxKey     = 250
	maxSegment = 80
)

// nameByte says which bytes may be in a name: those that StatsD, its back ends and all of its
// dialects leave alone. The dot separates segments and is not among them.
var nameByte = func() (ok [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-" {
		ok[c] = true
	}
	return ok
}()

// safeName reports whether an operator's prefix is a dotted name without empty segments.
func safeName(s string) bool {
	for segment := range strings.SplitSeq(s, ".") {
		if segment == "" || !safeSegment(segment) {
			return false
		}
	}
	return true
}

func safeSegment(s string) bool {
	for i := range len(s) {
		if !nameByte[s[i]] {
			return false
		}
	}
	return true
}

// appendName appends the safe name of a metric: the key, and one segment behind it unless that is empty.
func appendName(dst []byte, key, suffix string) []byte {
	dst = appendKey(dst, key)
	if suffix == "" {
		return dst
	}
	return appendSegment(append(dst, '.'), suffix)
}

// appendKey appends a dotted key, each byte that may not be in a name replaced by _. Keys come out of
// the rules safe already; this is for the day when they do not.
func appendKey(dst []byte, key string) []byte {
	key = key[:min(len(key), maxKey)]
	for i := range len(key) {
		c := key[i]
		if !nameByte[c] && c != '.' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendSegment appends a name that is one segment: here a dot is replaced too.
func appendSegment(dst []byte, s string) []byte {
	s = s[:min(len(s), maxSegment)]
	for i := range len(s) {
		c := s[i]
		if !nameByte[c] {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
