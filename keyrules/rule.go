package keyrules

// rule is a compiled Rule.
type rule struct {
	position string // FILE:LINE
	kind     Kind
	ignore   bool

	// HTTP
	methods []string
	host    hostGlob
	pattern pattern // anyPath if the rule gives none
	more    *more   // nil if there are no further matchers

	// RPC
	rpc [rpcFacts]glob

	// built-in
	use    string
	prefix string
	strip  []pattern
	nth    int // the one segment that process_stack puts in, from 1; 0 is the first two

	key     keyTemplate
	name    textTemplate
	named   bool // the name is the operator's, not the pattern's
	service textTemplate
	action  textTemplate
	body    bool // a template or a matcher reads the body's first key
	json    bool // a template reads a value of the body

	category textTemplate
	tags     []tagTemplate
	fixed    []Tag // the tags, if all are constant
	notes    []textTemplate
	room     *table // the keys that the rule may make, nil for no limit of its own
	sample   *Sampling

	route bool // it is a line of a route table
}

type tagTemplate struct {
	name  string
	value textTemplate
}

// fallback is the rule of calls that no other takes.
var fallback = rule{position: "default", pattern: anyPath}

func (r *rule) matchRPC(c *facts) bool {
	for i := range r.rpc {
		if g := &r.rpc[i]; g.pattern != "" && !g.match(rpcFact(c, i)) {
			return false
		}
	}
	return true
}

// wantsBody reports whether the result depends on the first key of the body.
func (r *rule) wantsBody(p *path, method string) bool {
	return r.body && mayHaveBody(method) || method == "POST" && (r.route || r.action.empty()) && p.endsInAction()
}

// mount returns how many segments of the path are a mount point to strip: the longest that fits.
func (r *rule) mount(p *path) int {
	n := 0
	for i := range r.strip {
		if m := &r.strip[i]; len(m.segments) > n && m.covers(p) {
			n = len(m.segments)
		}
	}
	return n
}

// reads reports whether an output of the rule reads the field, beyond what all rules read.
func (r *rule) reads(f field) bool {
	if r.name.reads(f) || r.service.reads(f) || r.action.reads(f) || r.category.reads(f) {
		return true
	}
	for i := range r.tags {
		if r.tags[i].value.reads(f) {
			return true
		}
	}
	for i := range r.notes {
		if r.notes[i].reads(f) {
			return true
		}
	}
	for i := range r.key.segments {
		if t := (textTemplate{parts: r.key.segments[i]}); t.reads(f) {
			return true
		}
	}
	return false
}
