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
	n     int    // of a capture, {path.N}, {path[:N]} or a value by name
	filter
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
	outCategory
	outTag
	outNote
)

var outputWords = [...]string{"key", "name", "service", "action", "category", "tag", "note"}

// isSegment reports whether the output is one key segment.
func (o output) isSegment() bool { return o == outAction || o == outNote }

// parser turns the templates of one rule into parts. What is the same for every call that the rule
// matches (its only method, its constant action) is put in at once.
type parser struct {
	kind    Kind
	pattern *pattern
	method  string // "" if the rule is for several
	action  string // "" if it is not constant
	service string // "" if it is not constant; in a key its dots are not the key's
	wants   *wants
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
		made, err := p.filtered(out, rest[open+1:end])
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

// filtered resolves what stands between braces: a name and its filters.
func (p *parser) filtered(out output, text string) (part, error) {
	words := strings.Split(text, "|")
	made, err := p.field(out, words[0])
	if err != nil {
		return part{}, err
	}
	if made.filter, err = parseFilters(words[1:]); err != nil {
		return part{}, fmt.Errorf("{%s}: %w", text, err)
	}
	switch {
	case made.filter == filter{}:
	case made.field == fieldRoute, made.field == fieldPathTo:
		return part{}, fmt.Errorf("{%s}: is several words, and filters work on one; take them out", text)
	case made.field == fieldLiteral:
		made = part{text: made.apply(made.text)}
	}
	return made, nil
}

// field resolves one name. What the path captures goes before calltap's own names.
func (p *parser) field(out output, name string) (part, error) {
	if i := p.pattern.find(name); i >= 0 {
		return part{field: fieldCapture, n: i}, nil
	}
	if p.kind == HTTP && (strings.HasPrefix(name, "path.") || strings.HasPrefix(name, "path[")) {
		return p.ofPath(out, name)
	}
	for _, f := range fieldNames {
		if f.name == name && (f.kind == 0 || f.kind == p.kind) {
			return p.own(out, name, f.field)
		}
	}
	return p.named(name)
}

// ofPath reads path.N and path[:N].
func (p *parser) ofPath(out output, name string) (part, error) {
	if digits, ok := strings.CutPrefix(name, "path."); ok {
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n < maxSegments {
			return part{field: fieldPath, n: n}, nil
		}
		return part{}, fmt.Errorf("{%s}: {path.N} is a segment of the path, N from 0 to %d", name, maxSegments-1)
	}
	digits, ok := strings.CutPrefix(name, "path[:")
	digits, closed := strings.CutSuffix(digits, "]")
	n, err := strconv.Atoi(digits)
	switch {
	case !ok || !closed || err != nil || n < 1 || n > maxSegments:
		return part{}, fmt.Errorf("{%s}: {path[:N]} is the first N segments of the path, N from 1 to %d", name, maxSegments)
	case out != outKey && out != outName && out != outTag:
		return part{}, fmt.Errorf("{%s} is several segments; it can stand in key, name and tag only", name)
	}
	return part{field: fieldPathTo, n: n}, nil
}

// families are the names that go on with a name of the call's own.
var families = []struct {
	prefix string
	field  field
	kind   Kind
}{{"header.", fieldHeader, HTTP}, {"json.", fieldJSONPath, HTTP}, {"rpc.arg.", fieldArg, RPC}}

// named reads {header.NAME}, {json.PATH} and {rpc.arg.NAME}.
func (p *parser) named(name string) (part, error) {
	for _, f := range families {
		rest, ok := strings.CutPrefix(name, f.prefix)
		switch {
		case !ok:
			continue
		case f.kind != p.kind:
			return part{}, fmt.Errorf("{%s} is known of %s only, and this rule is for %s", name, kindText(f.kind), kindText(p.kind))
		case rest == "" || len(rest) > maxSegment || strings.Count(rest, ".") >= maxDepth || f.field == fieldHeader && !isHeaderName(rest):
			return part{}, fmt.Errorf("{%s}: write the name of one behind the dot, such as {%sname}", name, f.prefix)
		case f.field == fieldJSONPath && p.method != "" && !mayHaveBody(p.method):
			return part{}, fmt.Errorf("{%s} is of a JSON body, and this rule is for %s", name, p.method)
		}
		place, err := p.wants.place(f.field, rest)
		return part{field: f.field, n: place}, err
	}
	return part{}, p.unknown(name)
}

// own returns the part for one of calltap's names, folded if the rule makes it constant.
func (p *parser) own(out output, name string, f field) (part, error) {
	switch {
	case f == fieldAction && out == outAction:
		return part{}, fmt.Errorf("{action} is what this template is to make; use another name")
	case f == fieldRoute && out != outKey && out != outName && out != outTag:
		return part{}, fmt.Errorf("{route} is a whole path; it can stand in key and name only")
	case f == fieldJSON && p.method != "" && !mayHaveBody(p.method):
		return part{}, fmt.Errorf("{json.0} is the first key of a JSON body, and this rule is for %s", p.method)
	case f == fieldMethod && p.kind == RPC:
		return part{field: fieldRPCMethod}, nil
	case f == fieldMethod && p.method != "":
		return part{text: p.method}, nil
	case f == fieldAction && p.action != "":
		return part{text: p.action}, nil
	case f == fieldService && out != outService && (isSafe(p.service) || p.service != "" && !out.isSegment() && out != outKey):
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
		valid = append(valid, "path.0", "path[:2]")
	}
	for _, f := range families {
		if f.kind == p.kind {
			valid = append(valid, f.prefix+"NAME")
		}
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
	if err != nil || !out.isSegment() {
		return textTemplate{parts}, err
	}
	for _, made := range parts {
		if made.field == fieldLiteral && !isSafe(made.text) {
			return textTemplate{}, fmt.Errorf("%s %q: it is one key segment; use letters, digits, - and _", outputWords[out], text)
		}
	}
	return textTemplate{parts}, nil
}

// nameOfPattern is the span name of a rule that gives none: its own METHOD /pattern.
func (p *parser) nameOfPattern() textTemplate {
	route := string(appendText([]byte{' '}, p.pattern.shown))
	if p.method != "" {
		return textTemplate{[]part{{text: p.method + route}}}
	}
	return textTemplate{[]part{{field: fieldMethod}, {text: route}}}
}
