package caddymodule

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/internal/words"
	"github.com/calltap/calltap/keyrules"
)

// parseKeys reads the rules. Syntax:
//
//	keys {
//	    max_keys <number>
//	    use process_stack|queue_receive|... <prefix> {
//	        <statement>
//	    }
//	    rule <head> {
//	        <statement>
//	    }
//	    rule <head> <statement> ; <statement>
//	    ignore <head>
//	    under /<prefix> {
//	        service <name>                     # of all rules of the block, as are host and category
//	        rule ...                           # and all of these but max_keys
//	    }
//	    rules <file>                           # more of the same, see parseRules
//	    routes <file> [prefix <path>] ...      # see parseRoutes
//	}
//
// A head is <method>[,<method>...] /<path>, either of the two alone, or rpc. In a block each statement, a word
// and its value, has a line of its own, or is parted from the one before by " ; ".
//
// Order counts, over several keys blocks too: the first rule that matches wins. What statements there are and
// what they mean is keyrules' to say.
func (a *App) parseKeys(d *caddyfile.Dispenser) error {
	if err := words.None(d); err != nil {
		return err
	}
	p := newRuleParser(&a.Keys)
	known := p.words()
	known["max_keys"] = words.Count(&a.Keys.MaxKeys)
	if err := known.Parse(d, "keys", nil); err != nil {
		return err
	}
	return p.check()
}

// ruleParser reads rules into a Config: the app's, or one that holds a site's.
type ruleParser struct {
	to     *keyrules.Config
	group  keyrules.Group      // of the block that they stand in
	places map[int]words.Place // of the rules that are this Caddyfile's own, by their index in to

	// What the group applies to when its block is over: not the rules and tables of a group within.
	rules  []int
	tables []int
}

func newRuleParser(to *keyrules.Config) *ruleParser {
	return &ruleParser{to: to, places: make(map[int]words.Place)}
}

// check tells of each rule what the load would, as long as its place is known. Its group must have been applied.
func (p *ruleParser) check() error {
	for i := range p.to.Rules {
		place, ok := p.places[i]
		if !ok {
			continue
		}
		if err := p.to.Rules[i].Check(); err != nil {
			return place.Wrap(err)
		}
	}
	return nil
}

// words are what may stand wherever rules may.
func (p *ruleParser) words() words.Block {
	return words.Block{
		"use":    p.parseUse,
		"rule":   p.parseRule,
		"ignore": p.parseRule,
		"under":  p.parseUnder,
		"rules":  p.parseRules,
		"routes": p.parseRoutes,
	}
}

// parseUnder reads a group of rules: what their paths begin with, and what they share.
func (p *ruleParser) parseUnder(d *caddyfile.Dispenser) error {
	prefix, err := words.One(d)
	if err != nil {
		return err
	}
	group, err := p.group.Under(prefix)
	if err != nil {
		return d.WrapErr(err)
	}
	inner := ruleParser{to: p.to, group: group, places: p.places}
	known := inner.words()
	for _, word := range keyrules.GroupWords {
		known[word] = func(d *caddyfile.Dispenser) error {
			if err := inner.group.Set(word, d.RemainingArgs()); err != nil {
				return d.WrapErr(err)
			}
			return nil
		}
	}
	if err := known.Parse(d, "under", nil); err != nil {
		return err
	}
	for _, i := range inner.rules {
		inner.group.Apply(&p.to.Rules[i])
	}
	for _, i := range inner.tables {
		inner.group.ApplyRoutes(&p.to.Routes[i])
	}
	return nil
}

// add takes rules and tables into the block.
func (p *ruleParser) add(rules []keyrules.Rule, tables []keyrules.Routes) {
	for _, r := range rules {
		p.rules = append(p.rules, len(p.to.Rules))
		p.to.Rules = append(p.to.Rules, r)
	}
	for _, t := range tables {
		p.tables = append(p.tables, len(p.to.Routes))
		p.to.Routes = append(p.to.Routes, t)
	}
}

// parseUse reads a built-in rule: its name, the prefix of its keys, and a block.
func (p *ruleParser) parseUse(d *caddyfile.Dispenser) error {
	rule, place := newRule(d), words.Here(d, d.Val())
	if !d.NextArg() {
		return d.Errf("'use' needs a built-in rule (%s) and a prefix, such as: use process_stack nova.api",
			strings.Join(keyrules.UseNames, ", "))
	}
	rule.Use = d.Val()
	if !slices.Contains(keyrules.UseNames, rule.Use) {
		return words.Unknown(d, "use", keyrules.UseNames)
	}
	if !d.NextArg() {
		return d.Errf("'use %s' needs the beginning of its keys, such as: use %s nova", rule.Use, rule.Use)
	}
	rule.Prefix = d.Val()
	return p.addRule(d, rule, place, d.RemainingArgs())
}

// parseRule reads a rule or an ignore: what calls it is for, and its statements.
func (p *ruleParser) parseRule(d *caddyfile.Dispenser) error {
	rule, place := newRule(d), words.Here(d, d.Val())
	rule.Ignore = d.Val() == "ignore"
	line := d.RemainingArgs()
	head := keyrules.HeadLength(line)
	if err := rule.SetHead(line[:head]); err != nil {
		return words.At(d, place.Word, err)
	}
	return p.addRule(d, rule, place, line[head:])
}

// newRule is a rule that knows where it stands, for errors and for `calltap explain`.
func newRule(d *caddyfile.Dispenser) *keyrules.Rule {
	return &keyrules.Rule{File: filepath.Base(d.File()), Line: d.Line()}
}

// addRule reads the statements left on the line, then those of the block.
func (p *ruleParser) addRule(d *caddyfile.Dispenser, rule *keyrules.Rule, place words.Place, statements []string) error {
	if err := setStatements(d, rule, statements); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := setStatements(d, rule, append([]string{d.Val()}, d.RemainingArgs()...)); err != nil {
			return err
		}
	}
	p.places[len(p.to.Rules)] = place
	p.add([]keyrules.Rule{*rule}, nil)
	return nil
}

// setStatements sets what one line says: statements parted by ";".
func setStatements(d *caddyfile.Dispenser, rule *keyrules.Rule, line []string) error {
	for _, statement := range split(line) {
		if err := rule.Set(statement[0], statement[1:]); err != nil {
			return words.At(d, statement[0], err)
		}
	}
	return nil
}

// split parts the words of a line at each ";", which may also end a word. Empty statements vanish.
func split(line []string) [][]string {
	var all [][]string
	var one []string
	end := func() {
		if len(one) > 0 {
			all = append(all, one)
		}
		one = nil
	}
	for _, word := range line {
		rest, ends := strings.CutSuffix(word, ";")
		if rest != "" {
			one = append(one, rest)
		}
		if ends {
			end()
		}
	}
	end()
	return all
}
