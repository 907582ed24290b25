package dialect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxDepth bounds the nesting of a body. Nova's deepest objects are below 20.
const maxDepth = 64

// kind is the JSON type of a member's value.
type kind uint8

const (
	kindString kind = iota + 1
	kindLiteral
	kindNested
)

// scanner walks over the members of one JSON object without decoding it, be it plain text (level
// 0), text inside a JSON string (level 1), or text inside a string inside a string (level 2), as oslo
// nests them. The text is read as it stands, escapes and all:
//
//	level 0   {"method": "f"}             a quote is         "
//	level 1   {\"method\": \"f\"}         a quote is        \"
//	level 2   {\\\"method\\\": \\\"f\\\"} a quote is      \\\"
//
// So at level L a quote stands behind 2^L-1 backslashes, and a quote inside a string, being
// escaped once more, behind an odd multiple of 2^L more. That holds as long as writers escape
// quotes and backslashes by a backslash, as all do; JSON also allows \u0022 and \u005c. Text with these, or
// with escaped white space between the members, is odd: the scan ends and the caller must unescape it.
//
// The scanner does not validate: it reads all JSON rightly and of other text it makes something.
type scanner struct {
	b     []byte
	i     int
	level uint
	fault fault
}

// fault is why a scan ended before its object did.
type fault uint8

const (
	faultNone fault = iota
	faultEnd        // the text ends too early, or is no JSON object
	faultDeep       // nested beyond maxDepth
	faultOdd        // escapes that only unescaping can read
)

// open enters the object that the text at i begins with.
func (s *scanner) open() bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return s.unexpected()
	}
	s.i++
	return true
}

// key moves to the next member and returns its name as it stands. False means that the object is
// over (then i is behind it) or that fault is set.
func (s *scanner) key() ([]byte, bool) {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ',' {
		s.i++
		s.space()
	}
	if s.i >= len(s.b) {
		return nil, s.fail(faultEnd)
	}
	if s.b[s.i] == '}' {
		s.i++
		return nil, false
	}
	name, ok := s.str()
	if !ok {
		return nil, false
	}
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return nil, s.unexpected()
	}
	s.i++
	s.space()
	return name, true
}

// element moves to the next element of the array that i is in. False means that the array is over (then i is
// behind it) or that fault is set.
func (s *scanner) element() bool {
	if s.fault != faultNone {
		return false
	}
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ',' {
		s.i++
		s.space()
	}
	if s.i >= len(s.b) {
		return s.fail(faultEnd)
	}
	if s.b[s.i] == ']' {
		s.i++
		return false
	}
	return true
}

// atString reports whether the value at i is a string.
func (s *scanner) atString() bool {
	return s.i < len(s.b) && (s.b[s.i] == '"' || s.b[s.i] == '\\')
}

// atObject reports whether the value at i is an object.
func (s *scanner) atObject() bool { return s.i < len(s.b) && s.b[s.i] == '{' }

// openArray enters the array at i; false if there is none.
func (s *scanner) openArray() bool {
	if s.i < len(s.b) && s.b[s.i] == '[' {
		s.i++
		return true
	}
	return false
}

// value reads the member's value: the inside of a string as it stands, the text of a literal, or
// nothing for an array or object, which is skipped.
func (s *scanner) value() (kind, []byte, bool) {
	if s.i >= len(s.b) {
		return 0, nil, s.fail(faultEnd)
	}
	switch s.b[s.i] {
	case '"', '\\':
		v, ok := s.str()
		return kindString, v, ok
	case '{', '[':
		return kindNested, nil, s.skip()
	}
	start := s.i
	for s.i < len(s.b) && !endsLiteral[s.b[s.i]] {
		s.i++
	}
	if s.i == start {
		return 0, nil, s.unexpected()
	}
	return kindLiteral, s.b[start:s.i], true
}

// endsLiteral marks what may follow a number, true, false or null.
var endsLiteral = [256]bool{
	',': true, '}': true, ']': true, ' ': true, '\t': true, '\n': true, '\r': true, '\\': true, '"': true, ':': true, '{': true, '[': true,
}

// str reads the string that begins at i and returns its inside.
func (s *scanner) str() ([]byte, bool) {
	if s.level == 1 {
		if end := shortString(s.b, s.i); end > 0 {
			inside := s.b[s.i+2 : end-2]
			s.i = end
			return inside, true
		}
	}
	if !s.quote() {
		return nil, false
	}
	start := s.i
	if s.level == 0 {
		return s.plainStr(start)
	}
	end := s.nestedEnd()
	if end < 0 {
		return nil, false
	}
	return s.b[start:end], true
}

// quote steps over an opening quote.
func (s *scanner) quote() bool {
	end := s.i + 1<<s.level - 1
	if end >= len(s.b) || s.b[end] != '"' {
		return s.unexpected()
	}
	for _, c := range s.b[s.i:end] {
		if c != '\\' {
			return s.unexpected()
		}
	}
	s.i = end + 1
	return true
}

// plainStr ends a string at level 0: at the first quote behind an even number of backslashes.
func (s *scanner) plainStr(start int) ([]byte, bool) {
	for {
		n := bytes.IndexByte(s.b[s.i:], '"')
		if n < 0 {
			return nil, s.fail(faultEnd)
		}
		end := s.i + n
		s.i = end + 1
		k := end
		for k > start && s.b[k-1] == '\\' {
			k--
		}
		if (end-k)&1 == 0 {
			return s.b[start:end], true
		}
	}
}

// nestedEnd ends a string at level 1 or above and returns where its inside ends, -1 on a fault.
// It looks for backslashes, not quotes: each quote stands behind some, and each run of them must be
// seen anyway, since an escape by \u0022 or \u005c would make the counting wrong.
func (s *scanner) nestedEnd() int {
	step := 1 << s.level
	for {
		n := bytes.IndexByte(s.b[s.i:], '\\')
		if n < 0 {
			s.fail(faultEnd)
			return -1
		}
		run := s.i + n
		j := run + 1
		for j < len(s.b) && s.b[j] == '\\' {
			j++
		}
		if j >= len(s.b) {
			s.fail(faultEnd)
			return -1
		}
		s.i = j + 1
		k := j - run
		switch s.b[j] {
		case '"':
			if k&(step-1) != step-1 { // the string around this text is over, this one is not
				s.fail(faultEnd)
				return -1
			}
			if k&step == 0 {
				return j - (step - 1)
			}
		case 'u':
			if k&(step-1) != 0 && hidesSyntax(s.b[s.i:]) {
				s.fail(faultOdd)
				return -1
			}
		}
	}
}

// hidesSyntax reports whether the four digits of a \u escape stand for a quote or a backslash.
func hidesSyntax(d []byte) bool {
	return len(d) >= 4 && d[0] == '0' && d[1] == '0' &&
		(d[2] == '2' && d[3] == '2' || d[2] == '5' && (d[3] == 'c' || d[3] == 'C'))
}

// skip steps over the array or object at i and all that is in it. Nearly all of a body is passed
// here, so the common case of a string, one level down and with no quote inside, is spelled out.
func (s *scanner) skip() bool {
	b, i, depth := s.b, s.i, 0
	for i < len(b) {
		switch syntax[b[i]] {
		case opens:
			if depth++; depth > maxDepth {
				return s.fail(faultDeep)
			}
		case closes:
			if depth--; depth == 0 {
				s.i = i + 1
				return true
			}
		case quotes:
			if s.level == 1 {
				if end := shortString(b, i); end > 0 {
					i = end
					if i+1 < len(b) && b[i+1] == ' ' && (b[i] == ':' || b[i] == ',') {
						i += 2 // as Python writes it
					}
					continue
				}
			}
			s.i = i
			if _, ok := s.str(); !ok {
				return false
			}
			i = s.i
			continue
		}
		i++
	}
	return s.fail(faultEnd)
}

// What a byte between strings means to skip.
const (
	opens = iota + 1
	closes
	quotes
)

var syntax = [256]uint8{'{': opens, '[': opens, '}': closes, ']': closes, '"': quotes, '\\': quotes}

// shortString returns where the string at level 1 that begins at i ends, if it is below 32 bytes of
// plain text; else 0. It looks at eight bytes at once, which for such lengths costs
// half of what calling bytes.IndexByte does.
func shortString(b []byte, i int) int {
	if i+2+32+2 > len(b) || b[i] != '\\' || b[i+1] != '"' {
		return 0
	}
	p := (*[32 + 2]byte)(b[i+2:])
	n, found := 0, backslashes(p[0:])
	if found == 0 {
		n, found = 8, backslashes(p[8:])
	}
	if found == 0 {
		n, found = 16, backslashes(p[16:])
	}
	if found == 0 {
		n, found = 24, backslashes(p[24:])
	}
	if found == 0 {
		return 0
	}
	if n += bits.TrailingZeros64(found) / 8; p[n+1] != '"' {
		return 0
	}
	return i + 2 + n + 2
}

// backslashes marks those of the first eight bytes by their highest bit. The lowest mark is exact, those above may lie.
func backslashes(p []byte) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64(p) ^ ones*'\\'
	return (x - ones) &^ x & highs
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// unexpected is the fault of the byte at i, which cannot stand there. Between members, a backslash that
// is no part of a quote is white space or a bracket that was escaped without need.
func (s *scanner) unexpected() bool {
	if s.i < len(s.b) && s.level > 0 && s.b[s.i] == '\\' {
		return s.fail(faultOdd)
	}
	return s.fail(faultEnd)
}

func (s *scanner) fail(f fault) bool {
	if s.fault == faultNone {
		s.fault = f
	}
	return false
}
