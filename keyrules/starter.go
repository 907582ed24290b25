package keyrules

import (
	"fmt"
	"strings"
)

// StarterRules writes a rule file with a rule for each kind of call that was seen, the most frequent
// first, each under its count. The rules give the names that the calls have without them: they are
// for an operator to change. ParseRules reads the file.
func StarterRules(seen []Unmatched) string {
	var b strings.Builder
	b.WriteString("# Calls that no rule matched, the most frequent first.\n")
	for i := range seen {
		if seen[i].Kind == "rpc" {
			seen[i].writeRPC(&b)
		} else {
			seen[i].writeHTTP(&b)
		}
	}
	return b.String()
}

func (u *Unmatched) writeHTTP(b *strings.Builder) {
	path, ok := u.pattern()
	if !ok {
		return
	}
	fmt.Fprintf(b, "\n# %d seen", u.Count)
	if u.Example != "" {
		fmt.Fprintf(b, ", such as %s", u.Example)
	}
	method, key := u.Method, "{method}"
	if method == otherMethod {
		method = "*"
	}
	if u.Action != "" {
		key = "{action}." + key
	}
	fmt.Fprintf(b, "\nrule %s %s {\n\tkey {service|or:http}.{route}.%s\n", method, quoteWord(path), key)
	switch {
	case u.Method == "POST" && strings.HasSuffix(path, "/"+actionWord): // its body tells
	case isSafe(u.Action):
		fmt.Fprintf(b, "\taction %s\n", u.Action)
	}
	b.WriteString("}\n")
}

// pattern is the path with a name for each id: /servers/{id}/ips/{id2}.
func (u *Unmatched) pattern() (string, bool) {
	var b strings.Builder
	ids := 0
	p := newPath(u.Path)
	for i := range p.n {
		seg := p.segment(i)
		switch {
		case seg == "{id}":
			if ids++; ids == 1 {
				seg = "{id}"
			} else {
				seg = fmt.Sprintf("{id%d}", ids)
			}
		case seg != "**" && strings.ContainsAny(seg, "{}*"):
			seg = "*"
		}
		b.WriteString("/" + seg)
	}
	if p.n == 0 {
		b.WriteByte('/')
	}
	_, err := parsePattern(b.String())
	return b.String(), err == nil
}

func (u *Unmatched) writeRPC(b *strings.Builder) {
	if u.Method == "" || len(u.Method) > maxText || strings.ContainsAny(u.Method, "*\n\r\"`") || !printable(u.Method) {
		return // nothing to ask for by name
	}
	fmt.Fprintf(b, "\n# %d seen\nrule rpc {\n", u.Count)
	if u.Topic != "" && len(u.Topic) <= maxText && !isID(u.Topic) && !strings.ContainsAny(u.Topic, "*\"`") && printable(u.Topic) {
		fmt.Fprintf(b, "\ttopic %s\n", quoteWord(u.Topic))
	}
	fmt.Fprintf(b, "\tmethod %s\n\tkey {service|or:rpc}.{rpc.method}\n}\n", quoteWord(u.Method))
}

// printable reports whether a text goes into a file as it is.
func printable(s string) bool { return string(appendText(nil, s)) == s }
