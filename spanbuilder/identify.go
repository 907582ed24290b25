package spanbuilder

import "strings"

// askAgain is how long Identify is left alone about a connection that it did not know.
const askAgain = int64(1e6)

// identified asks Identify about a connection, unless its answer is known, and joins r, its node, to the process that the
// answer names. It returns the connection's node, which is a new one if the name has changed hands.
func (s *processes) identified(connection string, r processRef, now int64) processRef {
	n := &s.nodes[r.index]
	if s.identify == nil || n.known || n.asked != 0 && now-n.asked < askAgain {
		return r
	}
	n.asked = now
	id := s.identify(connection)
	if id.Process != "" {
		r = s.named(r, id.Process, now)
	}
	if p := s.find(r); p != nil && !generic(id.Service) {
		p.set.name = clip(strings.Clone(id.Service))
	}
	return r
}

// named joins a connection's node to the process of that name.
func (s *processes) named(r processRef, name string, now int64) processRef {
	process := s.node(processKey(name), now)
	if s.find(r) == nil {
		r = s.add(s.nodes[r.index].key, now) // forgotten to make room for its process
	}
	s.nodes[s.root(process)].named = true
	a, b := s.root(r), s.root(process)
	if a != b && s.nodes[a].named {
		s.count.conflicts.Add(1) // the port was another process's
		r = s.add(s.nodes[r.index].key, now)
		a, b = r.index, s.root(process)
	}
	if a != b {
		s.union(a, b)
	}
	s.nodes[r.index].known = true
	return r
}

// generic reports whether a program's name says nothing of which service it is: it is that of what runs it.
func generic(name string) bool {
	switch base, _, _ := strings.Cut(strings.ToLower(name), "."); base {
	case "", "uwsgi", "gunicorn", "mod_wsgi", "apache2", "httpd", "python", "python2", "python3", "java", "node", "nodejs",
		"dotnet", "ruby", "php", "php-fpm", "perl", "beam", "erl", "sh", "bash", "app", "main", "worker", "server":
		return true
	}
	return false
}
