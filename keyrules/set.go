package keyrules

import "sync/atomic"

// Words that calltap itself puts into keys. A leading '_' keeps them apart from routes.
const (
	overflowKey = "_other"   // no room left in a bounded table
	noneKey     = "_none"    // all parts were empty
	ignoredKey  = "_ignored" // never sent; see Result.Ignore
)

// Set is a compiled Config, made by Compile. It is immutable but for its bounded tables, safe for
// concurrent use, and its lookups never fail.
type Set struct {
	rules   []rule // in the order in which they are tried
	http    *httpIndex
	rpc     *rpcIndex
	ignores bool // there is an ignore, so Peek must look at every request
	methods map[string]string
	reads   reads

	keys      *table
	names     *table
	services  *table
	actions   *table
	overflows atomic.Uint64
	cache     *cache
}

// Overflows returns how many calls got the overflow key `_other`, since Compile.
func (s *Set) Overflows() uint64 { return s.overflows.Load() }

// Keys returns how many different keys exist; MaxKeys is where that ends.
func (s *Set) Keys() int { return s.keys.size() }

// Peek answers, before an HTTP call runs, whether it is ignored and whether its body matters. It
// allocates nothing.
func (s *Set) Peek(method, host, path string) Hint {
	post := method == "POST"
	if !s.ignores && !post {
		return Hint{}
	}
	p := newPath(path)
	r := s.rule(s.http.find(s.rules, method, cut(host), &p))
	return Hint{Ignore: r.ignore, Body: post && !r.ignore && r.wantsBody(&p)}
}

// Resolve gives the key, span name, service and action of a finished call. It never fails: what it
// cannot name it files under `_other` and counts.
func (s *Set) Resolve(c *Call) Result {
	f := s.facts(c)
	hash := s.cache.hash(&f)
	if e := s.cache.get(hash, &f); e != nil {
		if e.overflow {
			s.overflows.Add(1)
		}
		return e.result
	}
	r, overflow := s.resolve(&f)
	if overflow {
		s.overflows.Add(1)
	}
	s.cache.put(hash, &f, r, overflow)
	return r
}

// resolve works a result out. The second result tells that the key is the overflow key.
func (s *Set) resolve(f *facts) (Result, bool) {
	w := work{call: f}
	s.match(&w)
	if w.rule.ignore {
		return Result{Key: ignoredKey, Name: ignoredKey, Rule: w.rule.position, Ignore: true}, false
	}
	// The result is made of variables, not of fields of w: w points at the facts, and the compiler
	// would put these on the heap for every call if it saw anything of w leave.
	action := s.action(&w)
	w.action = action
	service := s.service(&w)
	w.service = service
	key, ok := s.key(&w)
	return Result{Key: key, Name: s.name(&w), Service: service, Action: action, Rule: w.rule.position}, !ok
}

// match finds the rule, and for HTTP the shape of the path.
func (s *Set) match(w *work) {
	if w.call.kind == RPC {
		w.rule = s.rule(s.rpc.find(s.rules, w.call))
		return
	}
	w.path = newPath(w.call.path)
	w.rule = s.rule(s.http.find(s.rules, w.call.method, w.call.host, &w.path))
	switch {
	case w.rule.ignore:
	case w.rule.pattern.text != "" && w.rule.use == "":
		w.shape = w.path.fit(&w.rule.pattern)
	default:
		w.shape = w.path.guess(w.rule.mount(&w.path))
	}
}

func (s *Set) rule(number int32) *rule {
	if number == none {
		return &fallback
	}
	return &s.rules[number]
}

func (s *Set) action(w *work) string {
	if text, ok := w.rule.action.constant(); ok {
		return text
	}
	var k keyWriter
	var made []byte
	switch {
	case !w.rule.action.empty():
		made = w.writeAction(&k)
	case w.call.kind == HTTP:
		made = k.only(w.path.action(w.call.method, &w.shape, w.call.bodyKey))
	}
	if len(made) == 0 {
		return ""
	}
	return orOther(s.actions.intern(made))
}

func (s *Set) service(w *work) string {
	if text, ok := w.rule.service.constant(); ok {
		return text
	}
	if made := w.appendTemplate(w.text[:0], &w.rule.service); len(made) > 0 {
		return orOther(s.services.intern(made))
	}
	made := appendText(w.text[:0], w.call.service)
	if len(made) == 0 {
		return ""
	}
	if known, ok := s.services.intern(made); ok {
		return known
	}
	return string(made) // the site's own name: the operator wrote it, so it is never lost
}

func (s *Set) name(w *work) string {
	if text, ok := w.rule.name.constant(); ok {
		return text
	}
	made := w.appendTemplate(w.text[:0], &w.rule.name)
	if len(made) == 0 {
		made = w.appendDefaultName(w.text[:0])
	}
	if known, ok := s.names.intern(made[:min(len(made), maxText)]); ok {
		return known
	}
	if w.call.kind == HTTP {
		return s.methods[w.call.method] // OpenTelemetry's name for a request without a route
	}
	return overflowKey
}

// key returns false with the overflow key.
func (s *Set) key(w *work) (string, bool) {
	r := w.rule
	if r.key.constant != "" {
		return r.key.constant, true
	}
	var made []byte
	switch {
	case len(r.key.segments) > 0:
		made = w.writeKey()
	case r.use == useProcessStack:
		made = w.writeProcessStack()
	case r.use == useQueueReceive:
		made = w.writeQueueReceive()
	default:
		made = w.writeDefaultKey()
	}
	if known, ok := s.keys.intern(made); ok {
		return known, true
	}
	return overflowKey, false
}

func orOther(word string, ok bool) string {
	if !ok {
		return overflowKey
	}
	return word
}

// reserve gives the constants of the rules their places in the tables.
func (s *Set) reserve() {
	for i := range s.rules {
		r := &s.rules[i]
		if r.key.constant != "" {
			s.keys.reserve(r.key.constant)
		}
		if text, ok := r.name.constant(); ok {
			s.names.reserve(text)
		}
		s.ignores = s.ignores || r.ignore
	}
}
