package keyrules

import (
	"slices"
	"strings"
)

// facts are a Call's, bounded, and only those that the rules of the Set can tell apart.
type facts struct {
	kind                                          Kind
	status                                        int
	path, method, service                         string // these first: they lie together, and mostly tell
	host, bodyKey                                 string
	exchange, routingKey, queue, topic, namespace string
	rpcMethod, form, err                          string
}

// same is f == g, of which each kind of call has but half.
func (f *facts) same(g *facts) bool {
	if f.kind != g.kind {
		return false
	}
	if f.kind == RPC {
		return f.rpcMethod == g.rpcMethod && f.topic == g.topic && f.exchange == g.exchange && f.routingKey == g.routingKey &&
			f.queue == g.queue && f.namespace == g.namespace && f.form == g.form && f.service == g.service && f.err == g.err
	}
	if (f.extra() || g.extra()) && (f.status != g.status || f.bodyKey != g.bodyKey || f.host != g.host || f.err != g.err) {
		return false
	}
	return f.path == g.path && f.method == g.method && f.service == g.service
}

// extra reports whether there is any of what most HTTP calls have not, or no rule reads.
func (f *facts) extra() bool { return f.status|len(f.bodyKey)|len(f.host)|len(f.err) != 0 }

// reads says which facts the outputs of a Set may depend on. All others are blanked before the cache
// is asked, so that a call with a new Host or status is still a known call.
type reads struct {
	host, status, errors, form, body, json bool
	routingKey, queue, namespace           bool
}

// survey notes what the rules read.
func survey(rules []rule) reads {
	some := func(read func(r *rule) bool) bool {
		return slices.ContainsFunc(rules, func(r rule) bool { return read(&r) })
	}
	fact := func(i int, f field) bool {
		return some(func(r *rule) bool { return r.rpc[i].pattern != "" || r.reads(f) })
	}
	return reads{
		host: some(func(r *rule) bool { return r.host.pattern != "" || r.reads(fieldHost) }),
		status: some(func(r *rule) bool {
			return r.reads(fieldStatus) || r.reads(fieldStatusClass) || r.more != nil && len(r.more.statuses) > 0
		}),
		body:       some(func(r *rule) bool { return r.body || r.json }),
		json:       some(func(r *rule) bool { return r.json }),
		errors:     some(func(r *rule) bool { return r.reads(fieldError) }),
		form:       fact(factForm, fieldForm),
		routingKey: fact(factRoutingKey, fieldRoutingKey),
		queue:      fact(factQueue, fieldQueue),
		namespace:  fact(factNamespace, fieldNamespace),
	}
}

// facts bounds the call's strings and blanks what no rule reads.
func (s *Set) facts(c *Call) (f facts) {
	if c.Kind == RPC {
		return s.rpcFacts(c)
	}
	f.kind, f.service, f.path, f.method = HTTP, cut(c.Service), cut(c.Path), s.method(c.Method)
	if f.method == "POST" || s.reads.body && mayHaveBody(f.method) {
		f.bodyKey = cut(c.BodyKey)
	}
	if s.reads.host {
		f.host = strings.ToLower(cut(c.Host)) // no copy if it is lower case already
	}
	if s.reads.status {
		f.status = c.Status
	}
	if s.reads.errors {
		f.err = cut(c.Error)
	}
	return f
}

func (s *Set) rpcFacts(c *Call) facts {
	f := facts{kind: RPC, service: cut(c.Service), rpcMethod: cut(c.RPCMethod), topic: cut(c.Topic), exchange: cut(c.Exchange)}
	homeless := c.Service == "" && (c.Topic == "" || isID(f.topic)) // see work.owner
	if homeless || s.reads.queue {
		f.queue = cut(c.Queue)
	}
	if s.reads.routingKey {
		f.routingKey = cut(c.RoutingKey)
	}
	if s.reads.namespace {
		f.namespace = cut(c.Namespace)
	}
	if s.reads.form {
		f.form = cut(c.Form)
	}
	if s.reads.errors {
		f.err = cut(c.Error)
	}
	return f
}
