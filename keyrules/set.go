package keyrules

// Words that calltap itself puts into keys. A leading '_' keeps them apart from routes.
const (
	overflowKey = "_other"   // no room left in a bounded table
	noneKey     = "_none"    // all parts were empty
	ignoredKey  = "_ignored" // never sent; see Result.Ignore
)

// Set is a compiled Config, made by Compile. It is immutable but for its bounded tables, safe for
// concurrent use, and its lookups never fail.
type Set struct {
	rules   []rule // in the order in which they are tried: rules and ignores, then built-ins
	plain   int    // how many of them are no built-ins
	http    *httpIndex
	rpc     *rpcIndex
	routes  []rule     // the lines of route tables
	table   *httpIndex // of routes, nil without any
	ignores bool       // there is an ignore, so Peek must look at every request
	samples bool       // there is a rule for HTTP that says what is recorded, so it must too
	needs   []need

	samplesRPC bool // there is one for RPC
	methods    map[string]string
	reads      reads

	out   *tables
	dry   bool // an explanation: rules' own tables are not touched
	cache *cache
}

// answered is a result with what goes beside it into the cache.
type answered struct {
	result   Result
	overflow bool      // the key is the overflow key
	seen     *sighting // of a call that no rule took, nil for others
}

// Overflows returns how many calls got the overflow key `_other`, since Compile.
func (s *Set) Overflows() uint64 { return s.out.overflows.Load() }

// Keys returns how many different keys exist; MaxKeys is where that ends.
func (s *Set) Keys() int { return s.out.keys.size() }

// Resolve gives the key, span name, service and action of a finished call. It never fails: what it
// cannot name it files under `_other` and counts.
func (s *Set) Resolve(c *Call) Result {
	var room Result
	return *s.Find(c, &room)
}

// Find is Resolve for the hot path, as a Result is large enough for its copies to be felt: the result of a call that comes again is
// where it is remembered, and must not be changed, any other is put into room.
func (s *Set) Find(c *Call, room *Result) *Result {
	if len(s.needs) > 0 {
		var asked values
		return s.find(c, s.ask(c, &asked), room)
	}
	return s.find(c, nil, room)
}

// Known is the result of an HTTP call that came before, if the rules read no more than this of it; else it is nil, and Find knows. It is not for
// a call with a BodyKey.
func (s *Set) Known(service, method, path string) *Result {
	if len(s.needs) > 0 || s.reads.host || s.reads.status || s.reads.errors {
		return nil
	}
	e := s.cache.known(service, s.method(method), path)
	if e == nil {
		return nil
	}
	s.count(e.overflow, e.seen)
	return &e.result
}

// find is Find with the values that rules read by name.
func (s *Set) find(c *Call, values []string, room *Result) *Result {
	f := s.facts(c)
	hash := s.cache.hash(&f, values)
	if e := s.cache.get(hash, &f, values); e != nil {
		s.count(e.overflow, e.seen)
		return &e.result
	}
	a := s.resolve(&f, values)
	s.count(a.overflow, a.seen)
	s.cache.put(hash, &f, values, &a)
	*room = a.result
	return room
}

func (s *Set) count(overflow bool, seen *sighting) {
	if overflow {
		s.out.overflows.Add(1)
	}
	if seen != nil {
		seen.count.Add(1)
	}
}

// resolve works a result out.
func (s *Set) resolve(f *facts, values []string) (a answered) {
	w := work{call: f, values: values}
	s.match(&w)
	if w.rule.ignore {
		a.result = Result{Key: ignoredKey, Name: ignoredKey, Rule: w.rule.position, Ignore: true}
		return a
	}
	// The result is made of variables, not of fields of w: w points at the facts, and the compiler
	// would put these on the heap for every call if it saw anything of w leave.
	action, _ := s.action(&w)
	w.action = action
	service := s.service(&w)
	w.service = service
	key, ok := s.key(&w)
	name := s.name(&w)
	a.result = Result{Key: key, Name: name, Service: service, Action: action, Rule: w.rule.position,
		Category: s.category(&w), Tags: w.tags(), Notes: s.notes(&w), Sample: w.rule.sample}
	a.overflow = !ok
	if w.rule == &fallback {
		a.seen = s.out.seen.of(f, &a.result)
	}
	return a
}

// match finds the rule, and for HTTP the line of a route table and the shape of the path.
func (s *Set) match(w *work) {
	if w.call.kind == RPC {
		w.rule = s.rule(s.rpc.find(s.rules, w.call))
		return
	}
	w.path = newPath(w.call.path)
	q := query{facts: w.call, path: &w.path, values: w.values}
	number := s.http.find(s.rules, &q)
	w.rule = s.rule(number)
	if w.rule.ignore {
		return
	}
	w.route = s.routeFor(&q, w.rule)
	if w.route != nil && int(number) >= s.plain && w.route.rules(w.rule) {
		w.rule = w.route
	}
	switch {
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

// Where an action comes from.
const (
	fromRule  = "rule"
	fromTable = "table"
	fromBody  = "body"
	fromShape = "shape"
	fromNone  = "none"
)

// action asks the rule, the route table, the body and the shape, in this order.
func (s *Set) action(w *work) (action, from string) {
	if t := &w.rule.action; !t.empty() && !w.rule.route {
		return s.ownAction(w, t), fromRule
	}
	if w.call.kind == RPC {
		return "", fromNone
	}
	body := w.call.method == "POST" && w.path.endsInAction() && w.call.bodyKey != ""
	from = fromShape
	if body {
		from = fromBody
	}
	if w.route != nil {
		// A table that says no more than `action` says that the body tells.
		if text, ok := w.route.action.constant(); ok && !(body && text == actionWord) {
			return text, fromTable
		}
	}
	var k keyWriter
	made := k.only(w.path.action(w.call.method, &w.shape, w.call.bodyKey))
	if len(made) == 0 {
		return "", fromNone
	}
	return orOther(s.out.actions.intern(made)), from
}

// ownAction is what a rule's template gives.
func (s *Set) ownAction(w *work, t *textTemplate) string {
	if text, ok := t.constant(); ok {
		return text
	}
	var k keyWriter
	made := w.writeSegment(&k, t)
	if len(made) == 0 {
		return ""
	}
	return orOther(s.out.actions.intern(made))
}

func (s *Set) service(w *work) string {
	if text, ok := w.rule.service.constant(); ok {
		return text
	}
	if made := w.appendTemplate(w.text[:0], &w.rule.service); len(made) > 0 {
		return orOther(s.out.services.intern(made))
	}
	made := appendText(w.text[:0], w.call.service)
	if len(made) == 0 {
		return ""
	}
	if known, ok := s.out.services.intern(made); ok {
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
	if known, ok := s.out.names.intern(made[:min(len(made), maxText)]); ok {
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
	case isQueueUse(r.use):
		made = w.writeQueueReceive()
	default:
		made = w.writeDefaultKey()
	}
	if known, ok := s.internKey(r, made); ok {
		return known, true
	}
	s.out.offenders.add(made, r.position)
	return overflowKey, false
}

func (s *Set) internKey(r *rule, made []byte) (string, bool) {
	if r.room != nil && !s.dry {
		return s.out.keys.internFor(r.room, made)
	}
	return s.out.keys.intern(made)
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
			s.out.keys.reserve(r.key.constant)
		}
		if text, ok := r.name.constant(); ok {
			s.out.names.reserve(text)
		}
		s.ignores = s.ignores || r.ignore
		s.samples = s.samples || r.sample != nil && r.kind != RPC
		s.samplesRPC = s.samplesRPC || r.sample != nil && r.kind == RPC
	}
}
