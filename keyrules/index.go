package keyrules

import (
	"math"
	"regexp"
)

// none is the number of no rule; it is behind all others.
const none int32 = math.MaxInt32

// httpIndex finds the first HTTP rule that matches. It is one radix tree of path segments for each
// method, so what a lookup costs depends on the depth of the path, not on the number of rules.
type httpIndex struct {
	methods map[string]*node // the standard methods and those that rules name
	other   *node            // for all others: the rules for any method
}

// node is a place in the tree: all patterns that are alike up to here.
//
//	/ ─ v2.1 ─ servers ─┬─ detail        ends: rule 1
//	                    └─ {one} ─┬─     ends: rule 2
//	                              └─ **  rest: rule 3
type node struct {
	words map[string]*node // by the next segment
	one   *node            // by any next segment: {name} and *
	tests []testNode       // by a next segment of some form: {name:regex}
	ends  []int32          // rules whose pattern ends here, ascending
	rest  []int32          // rules whose pattern goes on with **, ascending
	least int32            // first rule of the whole subtree, to turn back early
}

type testNode struct {
	test *regexp.Regexp
	node *node
}

func newNode() *node { return &node{least: none} }

func newHTTPIndex(rules []rule) *httpIndex {
	x := &httpIndex{methods: make(map[string]*node), other: newNode()}
	for _, m := range standardMethods {
		x.methods[m] = newNode()
	}
	for i := range rules {
		for _, m := range rules[i].methods {
			if x.methods[m] == nil {
				x.methods[m] = newNode()
			}
		}
	}
	for i := range rules {
		if rules[i].kind == HTTP {
			x.add(&rules[i], int32(i))
		}
	}
	if named := x.methods[otherMethod]; named != nil { // a rule for _OTHER, by that name
		x.other = named
	}
	return x
}

// add enters a rule in the trees of its methods; a rule for any method stands in all of them, which
// costs memory once and saves a second walk on every lookup.
func (x *httpIndex) add(r *rule, number int32) {
	if len(r.methods) == 0 {
		for _, root := range x.methods {
			root.add(&r.pattern, number)
		}
		x.other.add(&r.pattern, number)
	}
	for _, m := range r.methods {
		x.methods[m].add(&r.pattern, number)
	}
}

func (n *node) add(p *pattern, number int32) {
	n.least = min(n.least, number)
	for i := range p.segments {
		n = n.grow(p.segments[i], p.tests[i])
		n.least = min(n.least, number)
	}
	if p.rest {
		n.rest = append(n.rest, number)
	} else {
		n.ends = append(n.ends, number)
	}
}

// grow returns the child for a segment of a pattern, "" being any, or any of a form.
func (n *node) grow(literal string, test *regexp.Regexp) *node {
	if test != nil {
		return n.growTest(test)
	}
	if literal == "" {
		if n.one == nil {
			n.one = newNode()
		}
		return n.one
	}
	if n.words == nil {
		n.words = make(map[string]*node)
	}
	if n.words[literal] == nil {
		n.words[literal] = newNode()
	}
	return n.words[literal]
}

func (n *node) growTest(test *regexp.Regexp) *node {
	for _, t := range n.tests {
		if t.test.String() == test.String() {
			return t.node
		}
	}
	n.tests = append(n.tests, testNode{test, newNode()})
	return n.tests[len(n.tests)-1].node
}

// find returns the number of the first rule that matches, none without one.
func (x *httpIndex) find(rules []rule, q *query) int32 {
	return x.findAs(rules, q, q.facts.method)
}

func (x *httpIndex) findAs(rules []rule, q *query, method string) int32 {
	root, known := x.methods[method]
	if !known {
		root = x.other
	}
	return root.find(rules, q, 0, none)
}

// find walks literal and wildcard side by side; a subtree with no rule before the best is left out.
func (n *node) find(rules []rule, q *query, depth int, best int32) int32 {
	if n.least >= best {
		return best
	}
	best = firstOn(rules, n.rest, q, best)
	if depth == q.path.n {
		if q.path.deep {
			return best
		}
		return firstOn(rules, n.ends, q, best)
	}
	if n.words != nil {
		if child := n.words[q.path.segment(depth)]; child != nil {
			best = child.find(rules, q, depth+1, best)
		}
	}
	for i := range n.tests {
		if t := &n.tests[i]; t.node.least < best && tested(t.test, q.path.segment(depth)) {
			best = t.node.find(rules, q, depth+1, best)
		}
	}
	if n.one != nil {
		best = n.one.find(rules, q, depth+1, best)
	}
	return best
}

// firstOn returns the first of the numbered rules whose other matchers hold, if it comes before best.
func firstOn(rules []rule, numbers []int32, q *query, best int32) int32 {
	for _, i := range numbers {
		if i >= best {
			break
		}
		if q.matchHTTP(&rules[i], i) {
			return i
		}
	}
	return best
}

// rpcIndex finds the first RPC rule that matches. A rule is listed under one literal that it asks
// for, the most telling one; rules of globs alone are tried one by one.
type rpcIndex struct {
	literals [rpcFacts]map[string][]int32
	globs    []int32
}

// The facts of an RPC that rules match, the most telling first.
const (
	factMethod = iota
	factTopic
	factQueue
	factRoutingKey
	factNamespace
	factExchange
	factForm
	rpcFacts
)

func rpcFact(c *facts, i int) string {
	switch i {
	case factMethod:
		return c.rpcMethod
	case factTopic:
		return c.topic
	case factQueue:
		return c.queue
	case factRoutingKey:
		return c.routingKey
	case factNamespace:
		return c.namespace
	case factForm:
		return c.form
	default:
		return c.exchange
	}
}

func newRPCIndex(rules []rule) *rpcIndex {
	x := &rpcIndex{}
	for i := range rules {
		if rules[i].kind == RPC {
			x.add(&rules[i], int32(i))
		}
	}
	return x
}

func (x *rpcIndex) add(r *rule, number int32) {
	for i := range r.rpc {
		if g := &r.rpc[i]; g.literal && g.pattern != "" {
			if x.literals[i] == nil {
				x.literals[i] = make(map[string][]int32)
			}
			x.literals[i][g.pattern] = append(x.literals[i][g.pattern], number)
			return
		}
	}
	x.globs = append(x.globs, number)
}

func (x *rpcIndex) find(rules []rule, c *facts) int32 {
	best := firstFor(rules, x.globs, c, none)
	for i, m := range x.literals {
		if m != nil {
			best = firstFor(rules, m[rpcFact(c, i)], c, best)
		}
	}
	return best
}

func firstFor(rules []rule, numbers []int32, c *facts, best int32) int32 {
	for _, i := range numbers {
		if i >= best {
			break
		}
		if rules[i].matchRPC(c) {
			return i
		}
	}
	return best
}
