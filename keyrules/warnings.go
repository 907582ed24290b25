package keyrules

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// Warning is something in a Config that loads but is hardly meant.
type Warning struct {
	Where string `json:"where"` // FILE:LINE
	Text  string `json:"text"`  // what, and how to put it right
}

// String is FILE:LINE: TEXT.
func (w Warning) String() string { return w.Where + ": " + w.Text }

// Warnings lists, in the order of the rules, those that no call can reach, span names that two rules
// give, keys that make a metric of each id, and routes that a table tells twice. It is for the load of a
// configuration: its cost grows with the rules.
func (s *Set) Warnings() (all []Warning) {
	names := make(map[string]int)
	for i := range s.rules {
		r := &s.rules[i]
		warn := func(format string, args ...any) {
			all = append(all, Warning{r.position, fmt.Sprintf(format, args...)})
		}
		if before := s.hides(int32(i)); before != none {
			warn("no call gets here: the rule at %s takes all that this one would; put this one first, or take it out", s.rules[before].position)
		}
		if text, ok := r.name.constant(); ok && r.named {
			if first, twice := names[text]; twice {
				warn("name %q is that of %s too, so their spans cannot be told apart; give one another name", text, s.rules[first].position)
			} else {
				names[text] = i
			}
		}
		if why := r.manyKeys(); why != "" && r.room == nil {
			warn("%s, so each is a metric of its own; take it out, or bound the rule with max_keys", why)
		}
	}
	return append(all, s.routeWarnings()...)
}

// hides returns the first rule before number i that matches all that i matches, none without one.
func (s *Set) hides(i int32) int32 {
	r := &s.rules[i]
	if r.kind == RPC {
		return s.rpc.hides(s.rules, i)
	}
	if len(r.methods) > 0 {
		worst := int32(0)
		for _, m := range r.methods {
			worst = max(worst, s.http.methods[m].hides(s.rules, i, 0))
		}
		return worst
	}
	worst := s.http.other.hides(s.rules, i, 0)
	for _, root := range s.http.methods {
		worst = max(worst, root.hides(s.rules, i, 0))
	}
	return worst
}

// hides walks down the pattern of rule i: where it takes any segment, only wildcards go before it.
func (n *node) hides(rules []rule, i int32, depth int) int32 {
	r := &rules[i]
	best := firstHiding(rules, n.rest, i)
	switch {
	case n.least >= i:
		return none
	case depth == len(r.pattern.segments):
		if !r.pattern.rest {
			best = min(best, firstHiding(rules, n.ends, i))
		}
		return best
	}
	literal, test := r.pattern.segments[depth], r.pattern.tests[depth]
	if child := n.words[literal]; literal != "" && child != nil {
		best = min(best, child.hides(rules, i, depth+1))
	}
	for _, t := range n.tests {
		if literal != "" && tested(t.test, literal) || test != nil && t.test.String() == test.String() {
			best = min(best, t.node.hides(rules, i, depth+1))
		}
	}
	if n.one != nil {
		best = min(best, n.one.hides(rules, i, depth+1))
	}
	return best
}

func firstHiding(rules []rule, numbers []int32, i int32) int32 {
	for _, before := range numbers {
		if before >= i {
			break
		}
		if a, b := &rules[before], &rules[i]; (a.host.pattern == "" || a.host.glob == b.host.glob) && a.more.covers(b.more) {
			return before
		}
	}
	return none
}

// covers reports whether what holds for b holds for m. It knows equal matchers and missing ones.
func (m *more) covers(b *more) bool {
	if m == nil {
		return true
	}
	if b == nil {
		return false
	}
	for _, h := range m.headers {
		if !slices.Contains(b.headers, h) {
			return false
		}
	}
	for _, status := range b.statuses {
		if len(m.statuses) > 0 && !slices.ContainsFunc(m.statuses, func(s statusRange) bool { return s.from <= status.from && status.to <= s.to }) {
			return false
		}
	}
	return (len(m.statuses) == 0 || len(b.statuses) > 0) && (m.json.pattern == "" || m.json == b.json)
}

// hides is the same for RPC: a rule before that asks for nothing that i does not ask for too.
func (x *rpcIndex) hides(rules []rule, i int32) int32 {
	best := firstHidingRPC(rules, x.globs, i)
	for fact, m := range x.literals {
		if g := &rules[i].rpc[fact]; m != nil && g.literal {
			best = min(best, firstHidingRPC(rules, m[g.pattern], i))
		}
	}
	return best
}

func firstHidingRPC(rules []rule, numbers []int32, i int32) int32 {
	for _, before := range numbers {
		if before >= i {
			break
		}
		if coversRPC(&rules[before].rpc, &rules[i].rpc) {
			return before
		}
	}
	return none
}

func coversRPC(a, b *[rpcFacts]glob) bool {
	for fact := range a {
		if g := &a[fact]; g.pattern != "" && *g != b[fact] && !(b[fact].literal && b[fact].pattern != "" && g.match(b[fact].pattern)) {
			return false
		}
	}
	return true
}

// manyKeys tells what in the rule's key is one thing among many; "" if nothing is.
func (r *rule) manyKeys() string {
	if r.use == useProcessStack && r.nth == 0 {
		return "use process_stack puts the second segment of the path into the key, ids too"
	}
	for _, segment := range r.key.segments {
		for i := range segment {
			if p := &segment[i]; r.isMany(p) {
				return fmt.Sprintf("key has {%s} in it, which takes any value", r.partName(p))
			}
		}
	}
	return ""
}

func (r *rule) isMany(p *part) bool {
	free := func(i int) bool {
		if i >= len(r.pattern.segments) {
			return r.pattern.rest
		}
		return r.pattern.segments[i] == "" && !isFewWords(&r.pattern, i)
	}
	switch p.field {
	case fieldCapture, fieldPath:
		return free(p.n)
	case fieldPathTo:
		for i := range p.n {
			if free(i) {
				return true
			}
		}
	case fieldHeader, fieldJSONPath:
		return true
	}
	return false
}

// partName is how the template calls a part that isMany.
func (r *rule) partName(p *part) string {
	switch p.field {
	case fieldCapture:
		return r.pattern.names[p.n]
	case fieldPath:
		return fmt.Sprintf("path.%d", p.n)
	case fieldPathTo:
		return fmt.Sprintf("path[:%d]", p.n)
	case fieldHeader:
		return "header.…"
	default:
		return "json.…"
	}
}

// fewWords is how many texts an expression may match and still be a list of words.
const fewWords = 64

// isFewWords reports whether the expression of segment i is a list: {view:summary|detail}.
func isFewWords(p *pattern, i int) bool {
	if p.tests[i] == nil {
		return false
	}
	parsed, err := syntax.Parse(p.tests[i].String(), syntax.Perl)
	return err == nil && countWords(parsed) <= fewWords
}

// countWords is how many texts an expression matches, fewWords+1 for more.
func countWords(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral, syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
	case syntax.OpCharClass:
		n = 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			n += min(int(re.Rune[i+1]-re.Rune[i])+1, fewWords+1)
		}
	case syntax.OpAlternate:
		n = 0
		for _, sub := range re.Sub {
			n += countWords(sub)
		}
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			n = min(n*countWords(sub), fewWords+1)
		}
	case syntax.OpQuest:
		n = 1 + countWords(re.Sub[0])
	default:
		return fewWords + 1
	}
	return min(n, fewWords+1)
}

// routeWarnings tells of routes that an earlier one of the same method and form hides.
func (s *Set) routeWarnings() (all []Warning) {
	type form struct{ method, path string }
	first := make(map[form]*rule)
	for i := range s.routes {
		r := &s.routes[i]
		var path strings.Builder
		for j := range r.pattern.segments {
			if path.WriteByte('/'); r.pattern.segments[j] != "" || r.pattern.tests[j] != nil {
				path.WriteString(r.pattern.segmentText(j))
			}
		}
		f := form{strings.Join(r.methods, ",") + " " + r.host.pattern, path.String()}
		before := first[f]
		if before == nil {
			first[f] = r
			continue
		}
		a, _ := before.action.constant()
		if b, _ := r.action.constant(); a != b {
			all = append(all, Warning{r.position, fmt.Sprintf("the route is told at %s already, with action %s; take one out", before.position, a)})
		}
	}
	return all
}
