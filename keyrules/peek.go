package keyrules

// Peek answers, before an HTTP call runs, whether it is ignored and whether its body matters. It
// allocates nothing. Where a rule looks at headers, use PeekCall.
func (s *Set) Peek(method, host, path string) Hint {
	return s.PeekCall(&Call{Method: method, Host: host, Path: path})
}

// PeekCall is Peek for rules that look at headers too: of the call it reads Method, Host, Path and
// Header. A rule that asks for what only the end of the call tells (its status, its body, headers if
// Header is nil) may match or not, so an ignore behind it is no reason to ignore the call yet.
func (s *Set) PeekCall(c *Call) Hint {
	if !s.Peeks(c.Method) {
		return Hint{}
	}
	f := facts{method: c.Method, host: cut(c.Host)}
	if _, ok := s.methods[c.Method]; !ok {
		f.method = otherMethod
	}
	p := newPath(c.Path)
	q := query{facts: &f, path: &p, early: true, maybe: none, body: none}
	var room values
	if c.Header != nil {
		q.header = true
		q.values = s.ask(&Call{Kind: HTTP, Header: c.Header}, &room)
	}
	number := s.http.find(s.rules, &q)
	r := s.rule(number)
	if route := s.routeFor(&q, r); route != nil && int(number) >= s.plain && route.rules(r) {
		r = route
	}
	if r.ignore {
		return Hint{Ignore: q.maybe > number, Body: q.body < number, JSON: q.body < number && s.reads.json}
	}
	body := q.body < number || r.wantsBody(&p, f.method)
	hint := Hint{Body: body, JSON: (r.json || q.body < number) && s.reads.json && mayHaveBody(f.method)}
	if q.maybe > number {
		hint.Sample = r.sample
	}
	return hint
}

// Peeks reports whether Peek can say anything of a call with that method.
func (s *Set) Peeks(method string) bool {
	return s.ignores || s.samples || method == "POST" || s.reads.body && mayHaveBody(method)
}
