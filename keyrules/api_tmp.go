package keyrules

// Explain answers offline.
func (s *Set) Explain(c *Call) Explanation { return Explanation{} }

// String is for a terminal.
func (e Explanation) String() string { return "" }

// StarterRules writes a rule file for them.
func StarterRules(seen []Unmatched) string { return "" }

// Warnings lists what loads but cannot be meant.
func (s *Set) Warnings() []Warning { return nil }

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
