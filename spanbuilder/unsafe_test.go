package spanbuilder

import "unsafe"

// unsafeString puts s into buf, as a source does that decodes in place.
func unsafeString(buf *[]byte, s string) string {
	if cap(*buf) == 0 {
		*buf = make([]byte, 0, 1<<20)
	}
	at := len(*buf)
	*buf = append(*buf, s...)
	if len(s) == 0 {
		return ""
	}
	return unsafe.String(&(*buf)[at], len(s))
}
