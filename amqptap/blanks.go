package amqptap

import "bytes"

// blank is a part of a body that may be overwritten without changing the body's shape.
type blank struct {
	start, end int
	number     bool // digits, of which each becomes a 1; else any bytes, of which each becomes an x
}

// fill overwrites the part.
func (p blank) fill(b []byte) {
	for i := p.start; i < p.end; i++ {
		if !p.number {
			b[i] = 'x'
		} else if '0' <= b[i] && b[i] <= '9' {
			b[i] = '1'
		}
	}
}

// maxPieces bounds in how many parts a body is looked at. What is behind them is one more.
const maxPieces = 1 << 16

// blanksOf finds the parts of a body: in JSON the strings and numbers, also of JSON within strings, to any
// depth of that; in anything else words and what is between them.
func blanksOf(body []byte) []blank {
	w := jsonWalk{b: body}
	if w.values(0, len(body), 0) {
		return w.found
	}
	return wordsOf(body)
}

// jsonWalk finds strings and numbers. It does not judge whether brackets match: what is no JSON to a
// parser may be blanked as if it were.
//
// Within a string within a string, every quote and backslash is escaped once more. At level n a quote is
// written as 2^n−1 backslashes and a quote.
type jsonWalk struct {
	b     []byte
	found []blank
}

const maxLevel = 4 // of strings within strings; oslo has 3

// values walks over b[i:end]. False means that it is no JSON; what was found until then is left there.
func (w *jsonWalk) values(i, end, level int) bool {
	quote := 1<<level - 1
	for i < end {
		c := w.b[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || bytes.IndexByte([]byte("{}[],:"), c) >= 0:
			i++
		case c == '-' || '0' <= c && c <= '9':
			start := i
			for i < end && bytes.IndexByte([]byte("+-.0123456789eE"), w.b[i]) >= 0 {
				i++
			}
			w.add(blank{start, i, true})
		case c == 't' || c == 'f' || c == 'n':
			n := literal(w.b[i:end])
			if n == 0 {
				return false
			}
			i += n
		case c == '\\' && level > 0 && space(w.b[i:end], level) > 0:
			i += space(w.b[i:end], level)
		case quote > 0 && c == '\\' || c == '"': // a quote of this level
			if i+quote >= end || !quoteAt(w.b[i:end], quote) {
				return false
			}
			start := i + quote + 1
			stop := w.endOfString(start, end, level)
			if stop < 0 {
				return false
			}
			i = stop + quote + 1
			w.str(start, stop, level, isName(w.b[i:end]))
		default:
			return false
		}
	}
	return true
}

// space is how long the white space is that b begins with, as it is written at a level above 0.
func space(b []byte, level int) int {
	n := 1 << (level - 1)
	if len(b) <= n || bytes.IndexByte([]byte("ntr"), b[n]) < 0 {
		return 0
	}
	for _, c := range b[:n] {
		if c != '\\' {
			return 0
		}
	}
	return n + 1
}

// quoteAt reports whether b begins with n backslashes and a quote.
func quoteAt(b []byte, n int) bool {
	for _, c := range b[:n] {
		if c != '\\' {
			return false
		}
	}
	return b[n] == '"'
}

func literal(b []byte) int {
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return len(word)
		}
	}
	return 0
}

// endOfString finds where the string that begins at start ends, before the backslashes of its closing
// quote; -1 if it does not.
func (w *jsonWalk) endOfString(start, end, level int) int {
	unit := 1 << level
	for i := start; ; i++ {
		at := bytes.IndexByte(w.b[i:end], '"')
		if at < 0 {
			return -1
		}
		i += at
		escapes := 0
		for i-escapes > start && w.b[i-escapes-1] == '\\' {
			escapes++
		}
		switch {
		case (escapes+1)%unit != 0: // a quote of a string around this one
			return -1
		case (escapes+1)/unit%2 == 1:
			return i - (unit - 1)
		}
	}
}

// isName reports whether a string with this behind it is the name of a member.
func isName(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\n\r")
	return len(rest) > 0 && rest[0] == ':'
}

func (w *jsonWalk) str(start, end, level int, name bool) {
	switch text := w.b[start:end]; {
	case name && harmlessName(text) || len(text) == 0:
		return
	case !name && level < maxLevel && nests(text):
		before := len(w.found)
		if w.values(start, end, level+1) {
			return
		}
		w.found = w.found[:before]
	}
	w.add(blank{start: start, end: end})
}

// nests reports whether a string's text may be JSON itself.
func nests(text []byte) bool {
	text = bytes.TrimLeft(text, " ")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// harmlessName reports whether a member's name may stand: what programmers write has letters only,
// while names that are data, such as ids and addresses, mostly have digits.
func harmlessName(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '.' || c == '-' || c == '$') {
			return false
		}
	}
	return len(name) <= 64
}

func (w *jsonWalk) add(p blank) {
	if n := len(w.found); n >= maxPieces {
		p = blank{start: w.found[n-1].start, end: p.end} // not JSON any more, but as long
		w.found = w.found[:n-1]
	}
	w.found = append(w.found, p)
}

// wordsOf parts bytes into words and what is between them, to which the escapes of JSON belong.
func wordsOf(b []byte) (found []blank) {
	for i := 0; i < len(b); {
		start := i
		if inWord(b[i]) {
			for i < len(b) && inWord(b[i]) {
				i++
			}
		} else {
			for i < len(b) && !inWord(b[i]) {
				i += escape(b[i:])
			}
		}
		if len(found) == maxPieces {
			i = len(b)
		}
		found = append(found, blank{start: start, end: i})
	}
	return found
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-'
}

// escape is the length of the escape that b begins with, else 1.
func escape(b []byte) int {
	switch {
	case b[0] != '\\' || len(b) == 1 || b[1] == '\\':
		return 1
	case b[1] == 'u':
		return min(6, len(b))
	}
	return 2
}
