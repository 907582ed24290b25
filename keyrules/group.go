package keyrules

import (
	"fmt"
	"slices"
	"strings"
)

// Group is what `under /PREFIX { … }` gives to the rules in its block. A parser begins with
// Group{}.Under(prefix), calls Set for the GroupWords, Under for an `under` within, and Apply on each
// rule of the block when the block is over. What is said behind an `under` within does not reach it.
type Group struct {
	Path     string // goes before the rules' paths
	Host     string // of rules that name none
	Service  string // of rules that give none
	Category string // of rules that give none
}

// Under returns a group within g: its path behind g's, all else as in g.
func (g Group) Under(path string) (Group, error) {
	if !strings.HasPrefix(path, "/") {
		return g, fmt.Errorf("under %q: does not begin with /; write under /%s", path, path)
	}
	if strings.HasSuffix(path, "**") {
		return g, fmt.Errorf("under %q: take ** out; all that begins with the path is under it", path)
	}
	g.Path = strings.TrimRight(g.Path+path, "/")
	if g.Path != "" {
		if _, err := parsePattern(g.Path); err != nil {
			return g, fmt.Errorf("under: %w", err)
		}
	}
	return g, nil
}

// Set sets one statement of the block, one of GroupWords. In a group within a group it takes the place
// of the outer one's.
func (g *Group) Set(word string, args []string) error {
	if !slices.Contains(GroupWords, word) {
		return fmt.Errorf("unknown statement %q; did you mean %s? There are %s",
			word, NearestWord(word, GroupWords), strings.Join(GroupWords, ", "))
	}
	field := map[string]*string{"host": &g.Host, "service": &g.Service, "category": &g.Category}[word]
	*field = ""
	return setOnce(word, field, args)
}

// Apply makes a plain rule of one that stands in the group. A rule without a path is for all paths
// under the group's; an RPC has no path and no host, so its rule gets service and category alone.
func (g *Group) Apply(r *Rule) {
	if !r.Ignore {
		fill(&r.Service, g.Service)
		fill(&r.Category, g.Category)
	}
	if r.isRPC() {
		return
	}
	fill(&r.Host, g.Host)
	switch {
	case r.Use == useProcessStack && g.Path != "" && r.Path == "":
		r.Path = g.Path + "/**"
		if len(r.Strip) == 0 {
			r.Strip = []string{g.Path} // what it is mounted under
		}
	case g.Path != "" && r.Path == "":
		r.Path = g.Path + "/**"
	case g.Path != "" && strings.HasPrefix(r.Path, "/"): // one that does not is Compile's to tell
		r.Path = g.Path + r.Path
	}
}

// ApplyRoutes does for a route table in the group what Apply does for a rule.
func (g *Group) ApplyRoutes(t *Routes) {
	t.Prefix = g.Path + t.Prefix
	fill(&t.Host, g.Host)
	fill(&t.Service, g.Service)
}

func fill(field *string, text string) {
	if *field == "" {
		*field = text
	}
}
