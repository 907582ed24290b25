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

// The built-ins that a Rule's Use may name.
const (
	useProcessStack = "process_stack"
	useQueueReceive = "queue_receive"
)

// Compile turns a Config into a Set. Its errors begin with FILE:LINE of the first rule that is wrong
// ("rule N" if the Config names no file) and say how to put it right.
func Compile(c Config) (*Set, error) {
	limit, err := maxKeys(c.MaxKeys)
	if err != nil {
		return nil, err
	}
	var rules, uses []rule
	for i := range c.Rules {
		position := c.Rules[i].position(i)
		r, err := compileRule(&c.Rules[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", position, err)
		}
		r.position = position
		if r.use != "" {
			uses = append(uses, r)
		} else {
			rules = append(rules, r)
		}
	}
	return newSet(append(rules, uses...), limit), nil
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

func newSet(rules []rule, limit int) *Set {
	side := max(limit, defaultMaxKeys) // names and actions of a small key table need not be few
	s := &Set{
		rules: rules, http: newHTTPIndex(rules), rpc: newRPCIndex(rules),
		methods: map[string]string{otherMethod: otherMethod},
		keys:    newTable(limit), names: newTable(side), services: newTable(side), actions: newTable(side),
		reads: survey(rules), cache: newCache(),
	}
	for m := range s.http.methods {
		s.methods[m] = m
	}
	s.reserve()
	return s
}

// position is where the operator finds the rule.
func (r *Rule) position(i int) string {
	switch {
	case r.File == "":
		return fmt.Sprintf("rule %d", i+1)
	case r.Line == 0:
		return r.File
	default:
		return fmt.Sprintf("%s:%d", r.File, r.Line)
	}
}

func compileRule(r *Rule) (rule, error) {
	out := rule{ignore: r.Ignore, pattern: anyPath}
	var err error
	if out.kind, err = r.kind(); err != nil {
		return out, err
	}
	if err = r.compileMatchers(&out); err != nil {
		return out, err
	}
	switch {
	case r.Use != "":
		err = r.compileUse(&out)
	case r.Prefix != "" || len(r.Strip) > 0:
		err = fmt.Errorf("prefix and strip belong to a built-in; write use %s", useProcessStack)
	case r.Ignore:
		err = r.checkIgnore()
	}
	if err != nil {
		return out, err
	}
	return out, r.compileTemplates(&out)
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

func (r *Rule) compileMatchers(out *rule) error {
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
		{"routing_key", r.RoutingKey}, {"queue", r.Queue}, {"topic", r.Topic}, {"namespace", r.Namespace}, {"method", r.RPCMethod}} {
		if len(m.text) > maxText {
			return fmt.Errorf("%s: a pattern of %d bytes, at most %d", m.word, len(m.text), maxText)
		}
	}
	out.host = newHostGlob(r.Host)
	out.rpc = [rpcFacts]glob{
		factMethod: newGlob(r.RPCMethod), factTopic: newGlob(r.Topic), factQueue: newGlob(r.Queue),
		factRoutingKey: newGlob(r.RoutingKey), factNamespace: newGlob(r.Namespace), factExchange: newGlob(r.Exchange),
	}
	return nil
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
	if r.Key != "" || r.Name != "" || r.Service != "" || r.Action != "" {
		return fmt.Errorf("an ignored call has no key, name, service or action; take them out")
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
	out.use, out.prefix = r.Use, r.Prefix
	if r.Use == useProcessStack {
		return r.compileStrip(out)
	}
	if len(r.Strip) > 0 {
		return fmt.Errorf("use %s: strip belongs to %s; take it out", r.Use, useProcessStack)
	}
	if !r.hasRPCMatcher() {
		out.rpc[factTopic] = newGlob(r.Prefix[strings.LastIndexByte(r.Prefix, '.')+1:])
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

// compileTemplates reads the templates in the order in which they depend on each other.
func (r *Rule) compileTemplates(out *rule) error {
	p := parser{kind: out.kind, pattern: &out.pattern}
	if len(out.methods) == 1 {
		p.method = out.methods[0]
	}
	var err error
	if out.action, err = p.parseText(outAction, r.Action); err != nil {
		return err
	}
	p.action, _ = out.action.constant()
	if out.service, err = p.parseText(outService, r.Service); err != nil {
		return err
	}
	p.service, _ = out.service.constant()
	if out.name, err = p.parseText(outName, r.Name); err != nil {
		return err
	}
	if r.Name == "" && r.Path != "" && r.Use == "" {
		out.name = p.nameOfPattern()
	}
	if r.Key != "" {
		out.key, err = p.parseKey(r.Key)
	}
	out.body = out.reads(fieldJSON) && (len(out.methods) == 0 || slices.Contains(out.methods, "POST"))
	return err
}
