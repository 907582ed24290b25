package keyrules

import (
	"slices"
	"strings"
)

// reads says which facts the outputs of a Set may depend on. All others are blanked before the cache
// is asked, so that a call with a new Host or status is still a known call.
type reads struct {
	host, status, errors, form                    bool
	exchange, routingKey, queue, topic, namespace bool
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
		host:       some(func(r *rule) bool { return r.host.pattern != "" || r.reads(fieldHost) }),
		status:     some(func(r *rule) bool { return r.reads(fieldStatus) || r.reads(fieldStatusClass) }),
		errors:     some(func(r *rule) bool { return r.reads(fieldError) }),
		form:       some(func(r *rule) bool { return r.reads(fieldForm) }),
		exchange:   fact(factExchange, fieldExchange),
		routingKey: fact(factRoutingKey, fieldRoutingKey),
		queue:      fact(factQueue, fieldQueue),
		topic:      fact(factTopic, fieldTopic),
		namespace:  fact(factNamespace, fieldNamespace),
	}
}

// facts bounds the call's strings and blanks what no rule reads.
func (s *Set) facts(c *Call) Call {
	if c.Kind == RPC {
		return s.rpcFacts(c)
	}
	f := Call{Kind: HTTP, Service: cut(c.Service), Path: cut(c.Path), Method: otherMethod}
	if m, ok := s.methods[c.Method]; ok {
		f.Method = m
	}
	if f.Method == "POST" {
		f.BodyKey = cut(c.BodyKey)
	}
	if s.reads.host {
		f.Host = strings.ToLower(cut(c.Host)) // no copy if it is lower case already
	}
	if s.reads.status {
		f.Status = c.Status
	}
	if s.reads.errors {
		f.Error = cut(c.Error)
	}
	return f
}

func (s *Set) rpcFacts(c *Call) Call {
	f := Call{Kind: RPC, Service: cut(c.Service), RPCMethod: cut(c.RPCMethod)}
	homeless := c.Service == "" // see work.owner
	if homeless || s.reads.topic {
		f.Topic = cut(c.Topic)
	}
	homeless = homeless && (c.Topic == "" || isID(f.Topic))
	if homeless || s.reads.exchange {
		f.Exchange = cut(c.Exchange)
	}
	if homeless || s.reads.queue {
		f.Queue = cut(c.Queue)
	}
	if s.reads.routingKey {
		f.RoutingKey = cut(c.RoutingKey)
	}
	if s.reads.namespace {
		f.Namespace = cut(c.Namespace)
	}
	if s.reads.form {
		f.Form = cut(c.Form)
	}
	if s.reads.errors {
		f.Error = cut(c.Error)
	}
	return f
}
