package keyrules

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// part is a piece of a compiled template.
type part struct {
	field field
	text  string // of a literal
	n     int    // of a capture or {path.N}
}

// textTemplate makes a span name, a service or an action. The zero value is no template.
type textTemplate struct{ parts []part }

func (t *textTemplate) empty() bool { return len(t.parts) == 0 }

// constant returns the text of a template without fields.
func (t *textTemplate) constant() (string, bool) {
	if len(t.parts) == 1 && t.parts[0].field == fieldLiteral {
		return t.parts[0].text, true
	}
	return "", false
}

func (t *textTemplate) reads(f field) bool {
	for i := range t.parts {
		if t.parts[i].field == f {
			return true
		}
	}
	return false
}

// output says for which of a rule's outputs a template is.
type output uint8

const (
	outKey output = iota
	outName
	outService
	outAction
)

var outputWords = [...]string{"key", "name", "service", "action"}

// parser turns the templates of one rule into parts. What is the same for every call that the rule
// matches (its only method, its constant action) is put in at once.
type parser struct {
	kind    Kind
	pattern *pattern
	method  string // "" if the rule is for several
	action  string // "" if it is not constant
	service string // "" if it is not constant; in a key its dots are not the key's
}

// parse reads one template; its errors name the template and the fix.
func (p *parser) parse(out output, text string) ([]part, error) {
	var parts []part
	for rest := text; rest != ""; {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			parts = appendLiteral(parts, rest)
			break
		}
		end := strings.IndexByte(rest, '}')
		if rest[open] == '}' || end < 0 {
			return nil, fmt.Errorf("%s %q: a brace without its partner; names stand between { and }", outputWords[out], text)
		}
		parts = appendLiteral(parts, rest[:open])
		made, err := p.field(out, rest[open+1:end])
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", outputWords[out], text, err)
		}
		if made.field == fieldLiteral {
			parts = appendLiteral(parts, made.text)
		} else {
			parts = append(parts, made)
		}
		rest = rest[end+1:]
	}
	return parts, nil
}

// appendLiteral joins neighbouring literals, so that a template without fields is a single part.
func appendLiteral(parts []part, text string) []part {
	if n := len(parts); n > 0 && parts[n-1].field == fieldLiteral {
		parts[n-1].text += text
		return parts
	}
	if text == "" {
		return parts
	}
	return append(parts, part{text: text})
}

// field resolves one name. What the path captures goes before calltap's own names.
func (p *parser) field(out output, name string) (part, error) {
	if i := p.pattern.find(name); i >= 0 {
		return part{field: fieldCapture, n: i}, nil
	}
	if digits, ok := strings.CutPrefix(name, "path."); ok && p.kind == HTTP {
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n < maxSegments {
			return part{field: fieldPath, n: n}, nil
		}
		return part{}, fmt.Errorf("{%s}: {path.N} is a segment of the path, N from 0 to %d", name, maxSegments-1)
	}
	for _, f := range fieldNames {
		if f.name == name && (f.kind == 0 || f.kind == p.kind) {
			return p.own(out, name, f.field)
		}
	}
	return part{}, p.unknown(name)
}

// own returns the part for one of calltap's names, folded if the rule makes it constant.
func (p *parser) own(out output, name string, f field) (part, error) {
	switch {
	case f == fieldAction && out == outAction:
		return part{}, fmt.Errorf("{action} is what this template is to make; use another name")
	case f == fieldRoute && (out == outService || out == outAction):
		return part{}, fmt.Errorf("{route} is a whole path; it can stand in key and name only")
	case f == fieldJSON && p.method != "" && p.method != "POST":
		return part{}, fmt.Errorf("{json.0} is the first key of a POST's body, and this rule is for %s", p.method)
	case f == fieldMethod && p.kind == RPC:
		return part{field: fieldRPCMethod}, nil
	case f == fieldMethod && p.method != "":
		return part{text: p.method}, nil
	case f == fieldAction && p.action != "":
		return part{text: p.action}, nil
	case f == fieldService && out != outService && (isSafe(p.service) || p.service != "" && out == outName):
		return part{text: p.service}, nil
	}
	return part{field: f}, nil
}

// unknown is the error for a name that neither calltap nor the pattern has.
func (p *parser) unknown(name string) error {
	var valid []string
	for _, n := range p.pattern.names {
		if n != "" {
			valid = append(valid, n)
		}
	}
	captured := len(valid)
	for _, f := range fieldNames {
		switch {
		case f.kind == 0 || f.kind == p.kind:
			valid = append(valid, f.name)
		case f.name == name:
			return fmt.Errorf("{%s} is known of %s only, and this rule is for %s", name, kindText(f.kind), kindText(p.kind))
		}
	}
	if p.kind == HTTP {
		valid = append(valid, "path.0")
	}
	nearest := NearestWord(name, valid)
	sort.Strings(valid[captured:])
	return fmt.Errorf("{%s} is neither captured by the path nor a name of calltap's; did you mean {%s}? There are {%s}",
		name, nearest, strings.Join(valid, "}, {"))
}

func kindText(k Kind) string {
	if k == RPC {
		return "RPC"
	}
	return "HTTP"
}

// parseText reads the template of a name, a service or an action.
func (p *parser) parseText(out output, text string) (textTemplate, error) {
	if !utf8.ValidString(text) {
		return textTemplate{}, fmt.Errorf("%s %q: not UTF-8; save the file as UTF-8", outputWords[out], text)
	}
	for _, c := range text {
		if !unicode.IsPrint(c) {
			return textTemplate{}, fmt.Errorf("%s %q: %q does not print; take it out", outputWords[out], text, c)
		}
	}
	if len(text) > maxText {
		return textTemplate{}, fmt.Errorf("%s: a template of %d bytes, at most %d", outputWords[out], len(text), maxText)
	}
	parts, err := p.parse(out, text)
	if err != nil || out != outAction {
		return textTemplate{parts}, err
	}
	for _, made := range parts {
		if made.field == fieldLiteral && !isSafe(made.text) {
			return textTemplate{}, fmt.Errorf("action %q: an action is one key segment; use letters, digits, - and _", text)
		}
	}
	return textTemplate{parts}, nil
}

// nameOfPattern is the span name of a rule that gives none: its own METHOD /pattern.
func (p *parser) nameOfPattern() textTemplate {
	route := string(appendText([]byte{' '}, p.pattern.text))
	if p.method != "" {
		return textTemplate{[]part{{text: p.method + route}}}
	}
	return textTemplate{[]part{{field: fieldMethod}, {text: route}}}
}
