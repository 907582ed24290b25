package keyrules

import (
	"fmt"
	"strings"
)

// filter changes a value before it is put in: {name|lower}, {name|snake}, {name|or:x}.
type filter struct {
	lower, snake bool
	or           string // instead of nothing
}

// filterWords are the filters, for error messages.
var filterWords = []string{"lower", "snake", "or:…"}

// parseFilters reads what stands behind the first | in a name.
func parseFilters(words []string) (f filter, err error) {
	for _, word := range words {
		or, isOr := strings.CutPrefix(word, "or:")
		switch {
		case isOr && or == "":
			return f, fmt.Errorf("|or: needs the text to put in, such as |or:none")
		case isOr:
			f.or = or
		case word == "lower":
			f.lower = true
		case word == "snake":
			f.snake = true
		default:
			return f, fmt.Errorf("|%s: no such filter; did you mean |%s? There are %s",
				word, NearestWord(word, filterWords), strings.Join(filterWords, ", "))
		}
	}
	return f, nil
}

// apply copies only if there is something to change.
func (f *filter) apply(s string) string {
	switch {
	case s == "":
		return f.or
	case f.snake:
		return snake(s)
	case f.lower:
		return strings.ToLower(s)
	default:
		return s
	}
}

// snake turns getUserByID, HTTPServer and os-start into get_user_by_id, http_server and os_start.
func snake(s string) string {
	if isSnake(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '-' || c == ' ' || c == '.':
			c = '_'
		case c >= 'A' && c <= 'Z':
			if startsWord(s, i) {
				out = append(out, '_')
			}
			c |= 0x20
		}
		out = append(out, c)
	}
	return string(out)
}

func isSnake(s string) bool { return !strings.ContainsAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-. ") }

// startsWord reports whether the capital at i begins a word: behind a small letter or digit, or as
// the last of several capitals before a small one (the S of HTTPServer).
func startsWord(s string, i int) bool {
	if i == 0 {
		return false
	}
	before := s[i-1]
	if before >= 'a' && before <= 'z' || isDigit(before) {
		return true
	}
	return before >= 'A' && before <= 'Z' && i+1 < len(s) && s[i+1] >= 'a' && s[i+1] <= 'z'
}
