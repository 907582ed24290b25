package harness

import (
	"fmt"
	"strconv"
	"strings"
)

// Values is what StatsD holds of one name.
type Values struct {
	Count   int
	Numbers []float64 // the first hundred: node prints no more of an array
}

// parseInspect reads what node's util.inspect prints of StatsD's tables:
//
//	{ 'nova.api': [ 1, 2.5 ], x: 3, "it's": [ 1, … 99 more …, ... 20 more items ] }
func parseInspect(text string) (map[string]Values, error) {
	p := inspectParser{rest: strings.TrimSpace(text)}
	table := make(map[string]Values)
	p.skip("{")
	for p.err == nil && !p.skip("}") {
		name := p.name()
		p.must(":")
		table[name] = p.values()
		p.skip(",")
	}
	return table, p.err
}

type inspectParser struct {
	rest string
	err  error
}

// skip drops the word if it comes next.
func (p *inspectParser) skip(word string) bool {
	p.rest = strings.TrimLeft(p.rest, " \n")
	after, found := strings.CutPrefix(p.rest, word)
	p.rest = after
	return found
}

func (p *inspectParser) must(word string) {
	if !p.skip(word) && p.err == nil {
		p.err = fmt.Errorf("statsd's answer: no %q before %.60q", word, p.rest)
	}
}

// name reads a key: bare, or in the quote that it does not contain itself.
func (p *inspectParser) name() string {
	for _, quote := range []byte{'\'', '"', '`'} {
		if !p.skip(string(quote)) {
			continue
		}
		var name strings.Builder
		for i := 0; i < len(p.rest); i++ {
			switch c := p.rest[i]; {
			case c == quote:
				p.rest = p.rest[i+1:]
				return name.String()
			case c == '\\' && i+1 < len(p.rest):
				i++
				name.WriteByte('\\')
				name.WriteByte(p.rest[i])
			default:
				name.WriteByte(c)
			}
		}
	}
	return p.until(":")
}

func (p *inspectParser) values() Values {
	if !p.skip("[") {
		return Values{Count: 1, Numbers: []float64{p.number()}}
	}
	var v Values
	for p.err == nil && !p.skip("]") {
		if p.skip("...") {
			more, _, _ := strings.Cut(p.until("]"), " ")
			n, err := strconv.Atoi(more)
			p.err = err
			v.Count += n
			continue
		}
		v.Numbers = append(v.Numbers, p.number())
		v.Count++
		p.skip(",")
	}
	return v
}

func (p *inspectParser) number() float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(p.until(",]}\n ")), 64)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("statsd's answer: %w", err)
	}
	return n
}

// until returns what stands before the first of the stops.
func (p *inspectParser) until(stops string) string {
	p.rest = strings.TrimLeft(p.rest, " \n")
	i := strings.IndexAny(p.rest, stops)
	if i < 0 {
		i = len(p.rest)
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word
}
