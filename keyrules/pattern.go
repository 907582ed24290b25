package keyrules

import (
	"errors"
	"fmt"
	"strings"
)

// pattern is a compiled path pattern: literals, `{name}` and `*` for one segment, and `**` at the
// end for the rest, which may be empty.
type pattern struct {
	text     string
	segments []string // "" is any one segment
	names    []string // of the captures, "" is none; as long as segments
	rest     bool     // ends in **
	ids      uint32   // bit i: segment i is not a literal
}

// anyPath is the pattern of a rule that gives none.
var anyPath = pattern{rest: true}

// parsePattern reads /v2.1/servers/{id}. Its errors say what to write instead.
func parsePattern(text string) (pattern, error) {
	p := pattern{text: text}
	if !strings.HasPrefix(text, "/") {
		return p, fmt.Errorf("path %q does not begin with /; write /%s", text, strings.TrimLeft(text, "/"))
	}
	for _, word := range strings.Split(text, "/") {
		if word == "" {
			continue
		}
		if err := p.add(word); err != nil {
			return p, fmt.Errorf("path %q: %w", text, err)
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
	return nil
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
	for i, literal := range p.segments {
		if literal != "" && literal != of.segment(i) {
			return false
		}
	}
	return true
}
