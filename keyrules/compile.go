package keyrules

import (
	"fmt"
	"slices"
	"strings"
)

const (
	defaultMaxKeys = 2000
	mostMaxKeys    = 1_000_000
)

// Compile turns a Config into a Set. Its errors begin with FILE:LINE of the first rule that is wrong
// ("rule N" if the Config names no file) and say how to put it right.
func Compile(c Config) (*Set, error) {
	limit, err := maxKeys(c.MaxKeys)
	if err != nil {
		return nil, err
	}
	var b builder
	if b.rules, b.uses, err = b.compile(c.Rules, "rule"); err != nil {
		return nil, err
	}
	if b.routes, err = b.compileRoutes(c.Routes); err != nil {
		return nil, err
	}
	return b.set(newTables(limit)), nil
}

// With returns a Set in which rules of a site's own go before those of s: its rules and ignores before
// all others, its built-ins before s's. Both share one table of keys and its counters. Errors are those
// of Compile; a rule without a file is "site rule N".
func (s *Set) With(site []Rule) (*Set, error) {
	b := builder{wants: wants{slices.Clone(s.needs)}, routes: s.routes}
	rules, uses, err := b.compile(site, "site rule")
	if err != nil {
		return nil, err
	}
	b.rules, b.uses = append(rules, s.rules[:s.plain]...), append(uses, s.rules[s.plain:]...)
	return b.set(s.out), nil
}

// builder is a Set in the making.
type builder struct {
	wants  wants
	rules  []rule
	uses   []rule
	routes []rule
}

// compile parts rules and ignores from built-ins. What they are called without a file is by their number.
func (b *builder) compile(from []Rule, word string) (rules, uses []rule, err error) {
	for i := range from {
		position := from[i].position(word, i)
		r, err := compileRule(&from[i], &b.wants)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", position, err)
		}
		r.position = position
		if r.use != "" {
			uses = append(uses, r)
		} else {
			rules = append(rules, r)
		}
	}
	return rules, uses, nil
}

func maxKeys(n int) (int, error) {
	switch {
	case n == 0:
		return defaultMaxKeys, nil
	case n < 0 || n > mostMaxKeys:
		return 0, fmt.Errorf("keys: max_keys %d: must be between 1 and %d", n, mostMaxKeys)
	default:
		return n, nil
	}
}

// set puts the parts together.
func (b *builder) set(out *tables) *Set {
	rules := slices.Concat(b.rules, b.uses)
	all := slices.Concat(rules, b.routes)
	s := &Set{
		rules: rules, plain: len(b.rules), http: newHTTPIndex(rules), rpc: newRPCIndex(rules),
		routes: b.routes, needs: b.wants.needs,
		methods: map[string]string{otherMethod: otherMethod},
		out:     out, reads: survey(all), cache: newCache(),
	}
	if len(b.routes) > 0 {
		s.table = newHTTPIndex(b.routes)
		for m := range s.table.methods {
			s.methods[m] = m
		}
	}
	for m := range s.http.methods {
		s.methods[m] = m
	}
	s.reserve()
	return s
}

// Check tells what is wrong with one rule alone, as Compile would, but for the position: a reader of files
// knows better.
func (r *Rule) Check() error {
	var w wants
	_, err := compileRule(r, &w)
	return err
}

// position is where the operator finds the rule.
func (r *Rule) position(word string, i int) string {
	switch {
	case r.File == "":
		return fmt.Sprintf("%s %d", word, i+1)
	case r.Line == 0:
		return r.File
	default:
		return fmt.Sprintf("%s:%d", r.File, r.Line)
	}
}

func compileRule(r *Rule, w *wants) (rule, error) {
	out := rule{ignore: r.Ignore, pattern: anyPath}
	var err error
	if out.kind, err = r.kind(); err != nil {
		return out, err
	}
	if err = r.compileMatchers(&out, w); err != nil {
		return out, err
	}
	switch {
	case r.Use != "":
		err = r.compileUse(&out)
	case r.Prefix != "" || len(r.Strip) > 0 || r.Segment != 0:
		err = fmt.Errorf("prefix, strip and segment belong to a built-in; write use %s", useProcessStack)
	case r.Ignore:
		err = r.checkIgnore()
	}
	if err != nil {
		return out, err
	}
	if out.sample, err = compileSample(r.Sample); err != nil {
		return out, err
	}
	return out, r.compileTemplates(&out, w)
}

// kind tells HTTP from RPC by what is written.
func (r *Rule) kind() (Kind, error) {
	if r.Use != "" && !slices.Contains(UseNames, r.Use) {
		return 0, fmt.Errorf("use %q: there is no such built-in; did you mean %s? There are %s",
			r.Use, NearestWord(r.Use, UseNames), strings.Join(UseNames, ", "))
	}
	if r.Kind != "" && r.Kind != "http" && r.Kind != "rpc" {
		return 0, fmt.Errorf("kind %q: write http or rpc", r.Kind)
	}
	http := r.Kind == "http" || r.Use == useProcessStack || r.hasHTTPMatcher()
	switch rpc := r.isRPC(); {
	case http && rpc:
		return 0, fmt.Errorf("it asks for HTTP (method, path, host) and for RPC (exchange, topic, …) at once; make two rules of it")
	case rpc:
		return RPC, nil
	case http:
		return HTTP, nil
	default:
		return 0, fmt.Errorf("it matches nothing; give it a METHOD and a /path, or rpc with a matcher")
	}
}

func (r *Rule) compileMatchers(out *rule, w *wants) error {
	for _, m := range r.Methods {
		if err := checkMethod(m); err != nil {
			return err
		}
		if !slices.Contains(out.methods, m) {
			out.methods = append(out.methods, m)
		}
	}
	if r.Path != "" {
		var err error
		if out.pattern, err = parsePattern(r.Path); err != nil {
			return err
		}
	}
	for _, m := range [...]struct{ word, text string }{{"host", r.Host}, {"exchange", r.Exchange},
		{"routing_key", r.RoutingKey}, {"queue", r.Queue}, {"topic", r.Topic}, {"namespace", r.Namespace}, {"method", r.RPCMethod}, {"form", r.Form}, {"json", r.JSON}} {
		if len(m.text) > maxText {
			return fmt.Errorf("%s: a pattern of %d bytes, at most %d", m.word, len(m.text), maxText)
		}
	}
	out.host = newHostGlob(r.Host)
	out.rpc = [rpcFacts]glob{
		factMethod: newGlob(r.RPCMethod), factTopic: newGlob(r.Topic), factQueue: newGlob(r.Queue),
		factRoutingKey: newGlob(r.RoutingKey), factNamespace: newGlob(r.Namespace), factExchange: newGlob(r.Exchange),
		factForm: newGlob(r.Form),
	}
	return r.compileMore(out, w)
}

func checkMethod(m string) error {
	if upper := strings.ToUpper(m); upper != m {
		return fmt.Errorf("method %q: HTTP methods are upper case; write %s", m, upper)
	}
	if m == "" || len(m) > 32 || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return fmt.Errorf("method %q: not an HTTP method; the nearest is %s", m, NearestWord(m, standardMethods))
	}
	return nil
}

func (r *Rule) checkIgnore() error {
	if r.Key != "" || r.Name != "" || r.Service != "" || r.Action != "" || r.Category != "" || len(r.Tags) > 0 || len(r.Notes) > 0 || r.MaxKeys != 0 || r.Sample != "" {
		return fmt.Errorf("an ignored call has no key, name, service, action, category, tags, notes or sample; take them out")
	}
	return nil
}

// compileUse checks what a built-in needs.
func (r *Rule) compileUse(out *rule) error {
	switch {
	case r.Prefix == "":
		return fmt.Errorf("use %s: no prefix; write the beginning of its keys behind it, such as nova.api", r.Use)
	case r.Ignore:
		return fmt.Errorf("use %s: cannot be an ignore too; make two rules of it", r.Use)
	case r.Key != "":
		return fmt.Errorf("use %s: makes the key itself; take key out, or write a rule", r.Use)
	case strings.ContainsAny(r.Prefix, "{}"):
		return fmt.Errorf("use %s: prefix %q: is plain text; for {names} write a rule", r.Use, r.Prefix)
	case len(r.Prefix) > maxSegment:
		return fmt.Errorf("use %s: a prefix of %d bytes, at most %d", r.Use, len(r.Prefix), maxSegment)
	}
	if err := checkKey("prefix", r.Prefix); err != nil {
		return fmt.Errorf("use %s: %w", r.Use, err)
	}
	if r.Segment < 0 || r.Segment > maxSegments || r.Segment != 0 && r.Use != useProcessStack {
		return fmt.Errorf("use %s: segment %d: belongs to %s, from 1 to %d; tach's later form is segment 2", r.Use, r.Segment, useProcessStack, maxSegments)
	}
	out.use, out.prefix, out.nth = r.Use, r.Prefix, r.Segment
	if r.Use == useProcessStack {
		return r.compileStrip(out)
	}
	if len(r.Strip) > 0 {
		return fmt.Errorf("use %s: strip belongs to %s; take it out", r.Use, useProcessStack)
	}
	if !r.hasRPCMatcher() {
		out.rpc[factTopic] = newGlob(useTopic(r))
	}
	return nil
}

func (r *Rule) compileStrip(out *rule) error {
	for _, text := range r.Strip {
		m, err := parsePattern(text)
		if err != nil {
			return fmt.Errorf("strip: %w", err)
		}
		if m.rest {
			return fmt.Errorf("strip %q: ** would take the whole path; name the mount point", text)
		}
		out.strip = append(out.strip, m)
	}
	return nil
}
