package dialect

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

// view is b as a string without a copy, valid for as long as b does not change. Invalid UTF-8, which
// would be wrong in every output format, is replaced; that copy is the one allocation in this package.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := unsafe.String(&b[0], len(b))
	if !utf8.Valid(b) {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}
