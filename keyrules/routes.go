package keyrules

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds of a route table.
const (
	maxRoutes    = 20_000
	maxRouteLine = 4096
)

// ParseRoutes reads a route table: a line METHOD TAB PATH TAB ACTION a route. Lines that begin with #
// and empty lines do not count; METHOD may be several with commas, or `*`; ACTION may be missing. file
// names the table in errors, which begin with FILE:LINE, and in Route.File.
func ParseRoutes(r io.Reader, file string) ([]Route, error) {
	var table []Route
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxRouteLine), maxRouteLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(strings.TrimPrefix(lines.Text(), "\ufeff"), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		routes, err := parseRoute(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		for _, route := range routes {
			route.File, route.Line = file, n
			table = append(table, route)
		}
		if len(table) > maxRoutes {
			return nil, fmt.Errorf("%s:%d: more than %d routes", file, n, maxRoutes)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return table, nil
}

func parseRoute(line string) ([]Route, error) {
	cells := strings.Split(line, "\t")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if len(cells) < 2 || len(cells) > 3 {
		return nil, fmt.Errorf("%d columns; a route is METHOD TAB /path TAB action", len(cells))
	}
	route := Route{Path: cells[1]}
	if len(cells) == 3 {
		route.Action = cells[2]
	}
	var all []Route
	for _, route.Method = range strings.Split(cells[0], ",") {
		if _, err := compileRoute(&Routes{}, &route, &wants{}); err != nil {
			return nil, err
		}
		all = append(all, route)
	}
	return all, nil
}

// compileRoutes makes a rule of each route, tables in their order, and in a table words before names:
// /servers/detail before /servers/{id}, wherever they stand.
func (b *builder) compileRoutes(tables []Routes) ([]rule, error) {
	var all []rule
	for i := range tables {
		t := &tables[i]
		where := (&Rule{File: t.File, Line: t.Line}).position("routes", i)
		var one []rule
		for j := range t.Table {
			r, err := compileRoute(t, &t.Table[j], &b.wants)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			r.position = (&Rule{File: t.Table[j].File, Line: t.Table[j].Line}).position(where+" route", j)
			one = append(one, r)
		}
		slices.SortStableFunc(one, func(a, b rule) int { return a.pattern.compare(&b.pattern) })
		if all = append(all, one...); len(all) > maxRoutes {
			return nil, fmt.Errorf("%s: more than %d routes", where, maxRoutes)
		}
	}
	return all, nil
}

func compileRoute(t *Routes, route *Route, w *wants) (rule, error) {
	if !strings.HasPrefix(route.Path, "/") {
		return rule{}, fmt.Errorf("path %q does not begin with /; write /%s", route.Path, route.Path)
	}
	written := Rule{Kind: "http", Host: t.Host, Key: t.Key, Service: t.Service,
		Path: strings.TrimSuffix(t.Prefix, "/") + route.Path}
	out := rule{pattern: anyPath, kind: HTTP, route: true}
	if route.Method != "*" {
		written.Methods = []string{route.Method}
	}
	if err := written.compileMatchers(&out, w); err != nil {
		return out, err
	}
	// The table's methods are not put into templates: HEAD is looked up as GET, and stays HEAD.
	methods := out.methods
	out.methods = nil
	err := written.compileTemplates(&out, w)
	out.methods = methods
	if action := cut(route.Action); action != "" {
		var k keyWriter
		out.action = textTemplate{[]part{{text: string(k.only(action))}}}
	}
	return out, err
}

// compare orders patterns so that of two that match the same path the one with the earlier word
// comes first.
func (p *pattern) compare(q *pattern) int {
	for i := range p.segments {
		if i == len(q.segments) {
			break
		}
		if a, b := p.rank(i), q.rank(i); a != b {
			return a - b
		}
		if c := strings.Compare(p.segments[i], q.segments[i]); c != 0 {
			return c
		}
	}
	if p.rest != q.rest {
		if p.rest {
			return 1
		}
		return -1
	}
	return len(q.segments) - len(p.segments)
}

func (p *pattern) rank(i int) int {
	switch {
	case p.segments[i] != "":
		return 0
	case p.tests[i] != nil:
		return 1
	default:
		return 2
	}
}

// rules reports whether the route, more than telling the action, stands for the rule: for none, and
// for a built-in if the table makes keys.
func (r *rule) rules(in *rule) bool {
	return in == &fallback || in.use != "" && len(r.key.segments) > 0
}

// routeFor finds the line of a route table for a call that the rule took. HEAD is GET without a body,
// and tables seldom list it.
func (s *Set) routeFor(q *query, r *rule) *rule {
	if s.table == nil || r.ignore || !r.action.empty() && r.use == "" {
		return nil
	}
	number := s.table.find(s.routes, q)
	if number == none && q.facts.method == "HEAD" {
		number = s.table.findAs(s.routes, q, "GET")
	}
	if number == none {
		return nil
	}
	return &s.routes[number]
}
