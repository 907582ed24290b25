package keyrules

import (
	"errors"
	"fmt"
	"regexp"
	regexpsyntax "regexp/syntax"
	"strings"
)

// pattern is a compiled path pattern: literals, `{name}` and `*` for one segment, `{name:regex}` for
// one of that form, and `**` at the end for the rest, which may be empty.
type pattern struct {
	text     string
	shown    string           // text without expressions, for span names
	segments []string         // "" is any one segment, or one that its test takes
	tests    []*regexp.Regexp // nil unless the segment is {name:regex}
	names    []string         // of the captures, "" is none; as long as segments
	rest     bool             // ends in **
	ids      uint32           // bit i: segment i is not a literal
}

// anyPath is the pattern of a rule that gives none.
var anyPath = pattern{rest: true}

// parsePattern reads /v2.1/servers/{id}. Its errors say what to write instead.
func parsePattern(text string) (pattern, error) {
	p := pattern{text: text, shown: text}
	if !strings.HasPrefix(text, "/") {
		return p, fmt.Errorf("path %q does not begin with /; write /%s", text, strings.TrimLeft(text, "/"))
	}
	for _, word := range splitPattern(text) {
		if word == "" {
			continue
		}
		if err := p.add(word); err != nil {
			return p, fmt.Errorf("path %q: %w", text, err)
		}
		if last := len(p.tests) - 1; last >= 0 && p.tests[last] != nil && !p.rest {
			p.shown = strings.Replace(p.shown, word, "{"+p.names[last]+"}", 1)
		}
	}
	return p, nil
}

func (p *pattern) add(word string) error {
	switch {
	case p.rest:
		return errors.New("** stands for the rest, so it must come last")
	case len(p.segments) == maxSegments:
		return fmt.Errorf("more than %d segments; end it with **", maxSegments)
	case word == "**":
		p.rest = true
		return nil
	}
	word, test, err := cutTest(word)
	if err != nil {
		return err
	}
	literal, name, err := parseSegment(word)
	if err != nil {
		return err
	}
	if name != "" && p.find(name) >= 0 {
		return fmt.Errorf("{%s} is there twice; give the second another name", name)
	}
	if literal == "" {
		p.ids |= 1 << len(p.segments)
	}
	p.segments = append(p.segments, literal)
	p.names = append(p.names, name)
	p.tests = append(p.tests, test)
	return nil
}

// splitPattern cuts a pattern at its slashes, but not at those inside of braces: {name:[^/]+}.
func splitPattern(text string) (words []string) {
	depth, from := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if depth > 0 {
				i++
			}
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case '/':
			if depth == 0 {
				words = append(words, text[from:i])
				from = i + 1
			}
		}
	}
	return append(words, text[from:])
}

// Bounds of a regular expression: its text, and the segment that it is tried on.
const (
	maxRegexp = 200
	maxTested = 256
)

// cutTest takes the expression out of {name:regex}. It is RE2, so its work is linear, and it must
// match the whole segment.
func cutTest(word string) (rest string, test *regexp.Regexp, err error) {
	name, expression, ok := strings.Cut(word, ":")
	if !ok || word[0] != '{' || word[len(word)-1] != '}' || strings.Contains(name, "}") {
		return word, nil, nil
	}
	expression = expression[:len(expression)-1]
	if expression == "" || len(expression) > maxRegexp {
		return "", nil, fmt.Errorf("segment %q: a regular expression of %d bytes; between 1 and %d", word, len(expression), maxRegexp)
	}
	if test, err = regexp.Compile("^(?:" + expression + ")$"); err != nil {
		var syntax *regexpsyntax.Error
		if errors.As(err, &syntax) {
			return "", nil, fmt.Errorf("segment %q: %s: %q", word, syntax.Code, syntax.Expr)
		}
		return "", nil, fmt.Errorf("segment %q: %w", word, err)
	}
	return name + "}", test, nil
}

// takes reports whether segment i of the pattern takes a segment of a path.
func (p *pattern) takes(i int, segment string) bool {
	switch {
	case p.segments[i] != "":
		return p.segments[i] == segment
	case p.tests[i] != nil:
		return tested(p.tests[i], segment)
	default:
		return true
	}
}

// tested gives the expression a copy, for it keeps what it is given: the compiler would else put the
// facts of every call on the heap, and not of those alone that such a rule looks at.
func tested(test *regexp.Regexp, segment string) bool {
	return len(segment) <= maxTested && test.MatchString(strings.Clone(segment))
}

func parseSegment(word string) (literal, name string, err error) {
	switch {
	case word == "*":
		return "", "", nil
	case !strings.ContainsAny(word, "{}*"):
		return word, "", nil
	case word[0] != '{' || word[len(word)-1] != '}' || strings.ContainsAny(word[1:len(word)-1], "{}*"):
		return "", "", fmt.Errorf("segment %q: {name} and * take the place of a whole segment", word)
	}
	name = word[1 : len(word)-1]
	if !isName(name) {
		return "", "", fmt.Errorf("segment %q: a name is made of letters, digits and _, and begins with a letter", word)
	}
	return "", name, nil
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || s[i] != '_' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}

// find returns which segment captures name, -1 if none does.
func (p *pattern) find(name string) int {
	for i, n := range p.names {
		if n == name && n != "" {
			return i
		}
	}
	return -1
}

// covers reports whether the pattern matches the beginning of a path: a mount point.
func (p *pattern) covers(of *path) bool {
	if len(p.segments) > of.n {
		return false
	}
	for i := range p.segments {
		if !p.takes(i, of.segment(i)) {
			return false
		}
	}
	return true
}
