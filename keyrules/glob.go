package keyrules

import "strings"

// glob is a compiled matcher of the `*` kind: `*` stands for any text, the empty one too. The zero
// glob matches everything.
type glob struct {
	pattern string
	literal bool // no '*' in it
}

func newGlob(pattern string) glob {
	return glob{pattern: pattern, literal: !strings.Contains(pattern, "*")}
}

func (g *glob) match(s string) bool {
	switch {
	case g.pattern == "":
		return true
	case g.literal:
		return g.pattern == s
	default:
		return globMatch(g.pattern, s)
	}
}

// globMatch goes back to the last '*' only, which is enough for globs and keeps the work at
// len(pattern) * len(s) for any input.
func globMatch(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// hostGlob matches the Host of a request: without regard to case, and to the port unless the
// pattern has one.
type hostGlob struct {
	glob
	port bool
}

func newHostGlob(pattern string) hostGlob {
	return hostGlob{newGlob(strings.ToLower(pattern)), hostname(pattern) != pattern}
}

func (g *hostGlob) match(host string) bool {
	if g.pattern == "" {
		return true
	}
	if !g.port {
		host = hostname(host)
	}
	return g.glob.match(strings.ToLower(host)) // no copy if it is lower case already
}

// hostname cuts the port off a Host: example.org:80, [::1]:80.
func hostname(host string) string {
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			return host[:end+1]
		}
		return host
	}
	if i := strings.IndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i+1:], ':') < 0 {
		return host[:i]
	}
	return host
}
