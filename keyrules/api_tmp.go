package keyrules

import "io"

// Needs returns what the rules read by name.
func (s *Set) Needs() Needs { return Needs{} }

// With returns a Set with the site's own rules before those of s.
func (s *Set) With(site []Rule) (*Set, error) { return s, nil }

// PeekCall is Peek for rules that look at headers too: it reads Method, Host, Path and Header.
func (s *Set) PeekCall(c *Call) Hint { return s.Peek(c.Method, c.Host, c.Path) }

// Explain answers offline.
func (s *Set) Explain(c *Call) Explanation { return Explanation{} }

// String is for a terminal.
func (e Explanation) String() string { return "" }

// Unmatched lists calls that no rule took, the most frequent first.
func (s *Set) Unmatched() []Unmatched { return nil }

// UnmatchedLost returns how many calls there was no room to list.
func (s *Set) UnmatchedLost() uint64 { return 0 }

// StarterRules writes a rule file for them.
func StarterRules(seen []Unmatched) string { return "" }

// Offenders lists the first calls that got the overflow key.
func (s *Set) Offenders() []Offender { return nil }

// Warnings lists what loads but cannot be meant.
func (s *Set) Warnings() []Warning { return nil }

// ParseRoutes reads METHOD TAB PATH TAB ACTION lines; # begins a comment line. Errors begin FILE:LINE.
func ParseRoutes(r io.Reader, file string) ([]Route, error) { return nil, nil }

// LookupJSON returns the scalar at a dotted path of a JSON text, "" if there is none.
func LookupJSON(text []byte, path string) string { return "" }

// Group is what `under /PREFIX { … }` gives to the rules in its block.
type Group struct {
	Path     string
	Host     string
	Service  string
	Category string
}

// Set sets one statement of the block: host, service, category (GroupWords).
func (g *Group) Set(word string, args []string) error { return nil }

// Under returns a group within g (its path behind g's; what it does not say is g's).
func (g Group) Under(path string) Group { return g }

// Apply makes a plain rule of one that stands in the group.
func (g Group) Apply(r *Rule) error { return nil }

// GroupWords are the statements of a group besides use, rule, ignore and under.
var GroupWords = []string{"host", "service", "category"}

// ParseRules reads the inside of a keys block from a rule file (`rules FILE`). open reads what a
// `routes FILE` or `rules FILE` in it names; nil forbids them. Errors begin FILE:LINE:COLUMN.
func ParseRules(text []byte, file string, routes func(name string) ([]Route, error)) (Config, error) {
	return Config{}, nil
}

func isQueueUse(name string) bool { return name == useQueueReceive }
