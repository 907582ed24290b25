package keyrules

import (
	"fmt"
	"slices"
	"strings"
)

// maxRuleFile is how long a rule file may be, in bytes.
const maxRuleFile = 4 << 20

// ParseRules reads a rule file: the lines that would else stand in a keys block. file names it in
// errors, which begin with FILE:LINE:COLUMN, and in Rule.File. What it returns compiles, but for the
// names that a Routes' key may hold. routes reads the table that a `routes FILE` in it names, as
// ParseRoutes does; nil forbids such lines. A rule file imports no other.
func ParseRules(text []byte, file string, routes func(name string) ([]Route, error)) (Config, error) {
	if len(text) > maxRuleFile {
		return Config{}, fmt.Errorf("%s: %d bytes; at most %d", file, len(text), maxRuleFile)
	}
	p := &ruleParser{file: file, routes: routes}
	var err error
	if p.lines, err = lexRules(string(text)); err == nil {
		if err = p.block(&Group{}, false); err == nil {
			err = p.check()
		}
	}
	if err != nil {
		return Config{}, fmt.Errorf("%s:%w", file, err)
	}
	return p.config, nil
}

// ruleParser goes through the lines of a file; a line is what Caddy's blocks have on one: words, and a
// brace at its end or alone on it.
type ruleParser struct {
	file   string
	routes func(name string) ([]Route, error)
	lines  []line
	at     int
	config Config
	heads  []word // of config's rules, where they stand
}

// check tells what Compile would, as long as columns are known.
func (p *ruleParser) check() error {
	if _, err := maxKeys(p.config.MaxKeys); err != nil {
		return fmt.Errorf("1:1: %w", err)
	}
	for i := range p.config.Rules {
		if err := p.config.Rules[i].Check(); err != nil {
			return fail(p.heads[i], err)
		}
	}
	return nil
}

// fail puts LINE:COLUMN before an error.
func fail(w word, err error) error { return fmt.Errorf("%d:%d: %w", w.line, w.column, err) }

// block reads the lines of the file, or of an `under`.
func (p *ruleParser) block(g *Group, inner bool) error {
	var own []int // not those of an under within, which have all that is theirs
	for p.at < len(p.lines) {
		l := p.lines[p.at]
		p.at++
		if l.closes() {
			if !inner {
				return fail(l.words[0], fmt.Errorf("} closes nothing; take it out"))
			}
			for _, i := range own {
				g.Apply(&p.config.Rules[i])
			}
			return nil
		}
		if isRuleWord(l.words[0].text) {
			own = append(own, len(p.config.Rules))
		}
		if err := p.statement(g, l, inner); err != nil {
			return err
		}
	}
	if inner {
		return fmt.Errorf("%d:1: the block of under has no }", p.lines[len(p.lines)-1].words[0].line)
	}
	return nil
}

func isRuleWord(s string) bool { return s == "rule" || s == "ignore" || s == "use" }

func (p *ruleParser) statement(g *Group, l line, inner bool) error {
	switch head := l.words[0]; {
	case isRuleWord(head.text):
		return p.rule(l)
	case head.text == "under":
		return p.under(g, l)
	case head.text == "routes":
		return p.table(g, l)
	case head.text == "max_keys" && !inner:
		if err := setNumber(head.text, &p.config.MaxKeys, l.texts()[1:]); err != nil || l.opens {
			return fail(head, firstError(err, errBlock))
		}
		return nil
	case inner && slices.Contains(GroupWords, head.text):
		if err := g.Set(head.text, l.texts()[1:]); err != nil || l.opens {
			return fail(head, firstError(err, errBlock))
		}
		return nil
	default:
		valid := slices.DeleteFunc(slices.Clone(KeysWords), func(w string) bool { return w == "rules" })
		if inner {
			valid = append(valid, GroupWords...)
		}
		return fail(head, fmt.Errorf("unknown word %q; did you mean %s? There are %s", head.text,
			NearestWord(head.text, valid), strings.Join(valid, ", ")))
	}
}

var errBlock = fmt.Errorf("takes no block")

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// under reads `under /PREFIX {` and its block.
func (p *ruleParser) under(g *Group, l line) error {
	if len(l.words) != 2 || !l.opens {
		return fail(l.words[0], fmt.Errorf("under takes a path and a block: under /v2.1 {"))
	}
	inner, err := g.Under(l.words[1].text)
	if err != nil {
		return fail(l.words[1], err)
	}
	return p.block(&inner, true)
}

// rule reads a rule, an ignore or a use: its head, the statements on its line, and its block.
func (p *ruleParser) rule(l line) error {
	r := Rule{File: p.file, Line: l.words[0].line, Ignore: l.words[0].text == "ignore"}
	rest := l.words[1:]
	if l.words[0].text == "use" {
		if len(rest) < 2 {
			return fail(l.words[0], fmt.Errorf("use needs a built-in (%s) and the beginning of its keys", strings.Join(UseNames, ", ")))
		}
		r.Use, r.Prefix = rest[0].text, rest[1].text
		if !slices.Contains(UseNames, r.Use) {
			return fail(rest[0], fmt.Errorf("use %q: there is no such built-in; did you mean %s?", r.Use, NearestWord(r.Use, UseNames)))
		}
		rest = rest[2:]
	} else {
		n := HeadLength(texts(rest))
		if err := r.SetHead(texts(rest[:n])); err != nil {
			return fail(l.words[0], err)
		}
		rest = rest[n:]
	}
	if err := setStatements(&r, rest); err != nil {
		return err
	}
	if l.opens {
		if err := p.ruleBlock(&r, l.words[0]); err != nil {
			return err
		}
	}
	p.config.Rules, p.heads = append(p.config.Rules, r), append(p.heads, l.words[0])
	return nil
}

func (p *ruleParser) ruleBlock(r *Rule, head word) error {
	for p.at < len(p.lines) {
		l := p.lines[p.at]
		p.at++
		if l.closes() {
			return nil
		}
		if l.opens {
			return fail(l.words[0], fmt.Errorf("%s takes no block", l.words[0].text))
		}
		if err := setStatements(r, l.words); err != nil {
			return err
		}
	}
	return fail(head, fmt.Errorf("the block of %s has no }", head.text))
}

// setStatements sets what one line says: statements parted by ";", which may also end a word.
func setStatements(r *Rule, words []word) error {
	for len(words) > 0 {
		n, skip := len(words), 0
		for i, w := range words {
			if !w.quoted && strings.HasSuffix(w.text, ";") {
				n, skip = i, 1
				if w.text != ";" {
					words[i].text = strings.TrimSuffix(w.text, ";")
					n, skip = i+1, 0
				}
				break
			}
		}
		if n > 0 {
			if err := r.Set(words[0].text, texts(words[1:n])); err != nil {
				return fail(words[0], err)
			}
		}
		words = words[n+skip:]
	}
	return nil
}

// table reads `routes FILE [prefix P] [key T] [service T] [host H]`.
func (p *ruleParser) table(g *Group, l line) error {
	head := l.words[0]
	if p.routes == nil || len(l.words) < 2 || l.opens {
		return fail(head, fmt.Errorf("routes FILE stands where files may be read, and takes no block"))
	}
	t := Routes{File: p.file, Line: head.line}
	if err := t.Set(l.texts()[2:]); err != nil {
		return fail(head, err)
	}
	var err error
	if t.Table, err = p.routes(l.words[1].text); err != nil {
		return fail(l.words[1], err)
	}
	g.ApplyRoutes(&t)
	p.config.Routes = append(p.config.Routes, t)
	return nil
}

// Set reads what stands behind `routes FILE`: words of RoutesWords, each with its value.
func (t *Routes) Set(args []string) error {
	for ; len(args) > 0; args = args[2:] {
		field := map[string]*string{"prefix": &t.Prefix, "key": &t.Key, "service": &t.Service, "host": &t.Host}[args[0]]
		if field == nil {
			return fmt.Errorf("unknown word %q; did you mean %s? There are %s", args[0],
				NearestWord(args[0], RoutesWords), strings.Join(RoutesWords, ", "))
		}
		if err := setOnce(args[0], field, args[1:min(len(args), 2)]); err != nil {
			return err
		}
	}
	return nil
}

// quoteWord writes a word so that lexRules and Caddy read it as one.
func quoteWord(s string) string {
	switch {
	case s != "" && s != "{" && s != "}" && !strings.ContainsAny(s, " \t\"#;`"):
		return s
	case !strings.Contains(s, "`"):
		return "`" + s + "`"
	default:
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
}
