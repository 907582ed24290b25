package caddymodule

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/internal/words"
	"github.com/calltap/calltap/keyrules"
)

// unknownAtSite says of a word in a site's block where it belongs; only of one that calltap has nowhere, which word is near it.
func unknownAtSite(d *caddyfile.Dispenser, known []string) error {
	word := d.Val()
	_, global := new(App).words()[word]
	switch {
	case word == "keys":
		return misplaced(d, "a global option, for all sites; rules of this site alone stand in its calltap block as they are, without keys")
	case word == "routes" || word == "max_keys":
		return misplaced(d, "for all sites: write it in the block { calltap { keys { … } } } at the top of the file")
	case global || slices.Contains(sourceWords(), word):
		return misplaced(d, "a global option: write it in the block { calltap { … } } at the top of the file")
	}
	return words.Unknown(d, "calltap", known)
}

// misplacedGlobally is the reverse: an error for a word that stands in other blocks than the global option. Words that are both, as those
// of Tracing, do not come here.
func misplacedGlobally(d *caddyfile.Dispenser) error {
	word := d.Val()
	_, rule := newRuleParser(new(keyrules.Config)).words()[word]
	switch {
	case word == "service" || word == "key":
		return misplaced(d, "a site's: write it in the block calltap { … } of the site, or in a rule")
	case rule || word == "max_keys":
		return misplaced(d, "a word of keys: write it in a block keys { … } here")
	}
	return nil
}

func misplaced(d *caddyfile.Dispenser, is string) error {
	return words.At(d, d.Val(), fmt.Errorf("'%s' is %s", d.Val(), is))
}
