package keyrules

import (
	"fmt"
	"strings"
)

// Explanation is how a Set comes to a Result, for people. The words of its JSON form are fixed.
type Explanation struct {
	Key        string   `json:"key"`
	Span       string   `json:"span"`
	Service    string   `json:"service"`
	Action     string   `json:"action"`
	ActionFrom string   `json:"action_from"`     // rule, table, body, shape, or none
	Rule       string   `json:"rule"`            // FILE:LINE, or default
	Table      string   `json:"table,omitempty"` // FILE:LINE of the route that tells the action
	Ignore     bool     `json:"ignore,omitempty"`
	Category   string   `json:"category,omitempty"`
	Tags       []Tag    `json:"tags,omitempty"`
	Notes      []string `json:"notes,omitempty"`
	Sample     string   `json:"sample,omitempty"` // what is recorded, as the rule says it
	Before     []Miss   `json:"before,omitempty"` // the rules that were tried before, in their order
}

// Miss is a rule that did not match.
type Miss struct {
	Rule string `json:"rule"` // FILE:LINE
	Why  string `json:"why"`  // its first matcher that failed, such as `method: POST is not GET`
}

// Explain tells what Resolve would make of a call if the key table were empty, and why. It changes
// nothing: neither tables nor counters. Values of headers and bodies are not in it.
func (s *Set) Explain(c *Call) Explanation {
	dry := *s
	dry.out, dry.dry = newTables(mostMaxKeys), true
	f := dry.facts(c)
	var room values
	w := work{call: &f, values: dry.ask(c, &room)}
	dry.match(&w)
	e := Explanation{Rule: w.rule.position, Ignore: w.rule.ignore, Before: dry.misses(&w)}
	if e.Ignore {
		return e
	}
	_, e.ActionFrom = dry.action(&w)
	if e.ActionFrom == fromTable {
		e.Table = w.route.position
	}
	r := dry.resolve(&f, w.values).result
	e.Key, e.Span, e.Service, e.Action = r.Key, r.Name, r.Service, r.Action
	e.Category, e.Tags, e.Notes, e.Sample = r.Category, r.Tags, r.Notes, r.Sample.String()
	return e
}

// misses tells of each rule before the one that matched why it did not.
func (s *Set) misses(w *work) (all []Miss) {
	q := query{facts: w.call, path: &w.path, values: w.values}
	for i := range s.rules {
		r := &s.rules[i]
		if r == w.rule {
			break
		}
		why := r.whyNot(&q)
		if why == "" { // a route table's key goes before a built-in's
			why = "use " + r.use + ": the route table makes the key"
		}
		all = append(all, Miss{r.position, why})
	}
	return all
}

// whyNot returns the first matcher that fails, "" if all hold.
func (r *rule) whyNot(q *query) string {
	switch f := q.facts; {
	case r.kind != f.kind:
		return fmt.Sprintf("kind: %s is not %s", kindText(f.kind), kindText(r.kind))
	case f.kind == RPC:
		return r.whyNotRPC(f)
	case len(r.methods) > 0 && !contains(r.methods, f.method):
		return fmt.Sprintf("method: %s is not %s", f.method, strings.Join(r.methods, " or "))
	}
	if why := r.pattern.whyNot(q.path); why != "" {
		return "path: " + why
	}
	if !r.host.match(q.facts.host) {
		return fmt.Sprintf("host: %s is not %s", shownText(q.facts.host), r.host.pattern)
	}
	if r.more != nil {
		return r.more.whyNot(q)
	}
	return ""
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// shownText is foreign text for a terminal.
func shownText(s string) string {
	if s == "" {
		return "nothing"
	}
	return string(appendText(nil, s))
}

// factWords are the matchers of an RPC, by fact.
var factWords = [rpcFacts]string{
	factMethod: "method", factTopic: "topic", factQueue: "queue", factRoutingKey: "routing_key",
	factNamespace: "namespace", factExchange: "exchange", factForm: "form",
}

func (r *rule) whyNotRPC(f *facts) string {
	for i := range r.rpc {
		if g := &r.rpc[i]; g.pattern != "" && !g.match(rpcFact(f, i)) {
			return fmt.Sprintf("%s: %s is not %s", factWords[i], shownText(rpcFact(f, i)), g.pattern)
		}
	}
	return ""
}

// whyNot tells the first segment that differs.
func (p *pattern) whyNot(of *path) string {
	for i := range p.segments {
		switch {
		case i >= of.n:
			return fmt.Sprintf("ends before %s of %s", p.segmentText(i), p.text)
		case !p.takes(i, of.segment(i)):
			return fmt.Sprintf("%s is not %s of %s", shownText(of.segment(i)), p.segmentText(i), p.text)
		}
	}
	if !p.rest && (of.n > len(p.segments) || of.deep) {
		return fmt.Sprintf("goes on with %s behind %s", shownText(of.segment(len(p.segments))), p.text)
	}
	return ""
}

// segmentText is segment i as it was written, but for a name without its expression.
func (p *pattern) segmentText(i int) string {
	switch {
	case p.segments[i] != "":
		return p.segments[i]
	case p.tests[i] != nil:
		text := p.tests[i].String()
		return "{" + p.names[i] + ":" + text[len("^(?:"):len(text)-len(")$")] + "}"
	case p.names[i] != "":
		return "{" + p.names[i] + "}"
	default:
		return "*"
	}
}

func (m *more) whyNot(q *query) string {
	for i := range m.headers {
		switch h := &m.headers[i]; {
		case q.values[h.place] == "":
			return fmt.Sprintf("header: there is no %s", h.name)
		case !h.match(q.values[h.place]):
			return fmt.Sprintf("header: %s is not %s", h.name, h.value.pattern) // its value may be a secret
		}
	}
	if m.json.pattern != "" && !m.matchJSON(q.facts.bodyKey) {
		return fmt.Sprintf("json: first key %s is not %s", shownText(q.facts.bodyKey), m.json.pattern)
	}
	if len(m.statuses) > 0 && !m.matchStatus(q.facts.status) {
		return fmt.Sprintf("status: %s is none of the rule's", shownText(statusText(q.facts.status)))
	}
	return ""
}

// String is the explanation for a terminal, with a newline at its end.
func (e Explanation) String() string {
	var b strings.Builder
	line := func(word, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-8s  %s\n", word, text)
		}
	}
	line("rule", e.Rule)
	if e.Ignore {
		line("", "ignored: neither traced nor counted")
	} else {
		line("key", e.Key)
		line("span", e.Span)
		line("service", e.Service)
		line("action", e.actionText())
		line("category", e.Category)
		for _, t := range e.Tags {
			line("tag", t.Name+" = "+t.Value)
		}
		line("notes", strings.Join(e.Notes, ", "))
		line("sample", e.Sample)
	}
	for i, m := range e.Before {
		word := ""
		if i == 0 {
			word = "before"
		}
		fmt.Fprintf(&b, "%-8s  %s  %s\n", word, m.Rule, m.Why)
	}
	return b.String()
}

// fromTexts say where an action comes from.
var fromTexts = map[string]string{fromRule: "the rule says so", fromTable: "route table", fromBody: "first key of the JSON body",
	fromShape: "by REST shape"}

func (e Explanation) actionText() string {
	text := fromTexts[e.ActionFrom]
	if e.Action == "" || text == "" {
		return e.Action
	}
	if e.Table != "" {
		text += " " + e.Table
	}
	return e.Action + " (" + text + ")"
}
