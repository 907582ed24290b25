package amqptap

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/calltap/calltap/amqptap/management"
)

// policies tells which policies would apply to the tap's queue, and what of them would harm others.
func (c *checker) policies(ctx context.Context) {
	found := false
	for _, kind := range []struct {
		word     string
		operator bool
	}{{"policy", false}, {"operator policy", true}} {
		all, err := c.api.Policies(ctx, c.URI.Vhost, kind.operator)
		if err != nil {
			c.unanswered("policies", err, "management")
			return
		}
		p, unsure := applying(all, c.checked.Queue)
		for _, u := range unsure {
			c.add(levelUnknown, "policies", fmt.Sprintf("whether %s %q applies to the tap's queue: its pattern is one of Perl's", kind.word, u.Name), "")
		}
		if p == nil {
			continue
		}
		found = true
		dangers := p.Dangers()
		for _, danger := range dangers {
			c.add(levelWarning, "policies", fmt.Sprintf("%s %q would give the tap's queue %s, which harms others", kind.word, p.Name, danger),
				"exclude names that begin with "+c.settings.Queue+" from its pattern, "+p.Pattern)
		}
		if len(dangers) == 0 {
			c.add(levelNote, "policies", fmt.Sprintf("%s %q would apply to the tap's queue: %s", kind.word, p.Name, p.Definition), "")
		}
	}
	if !found {
		c.add(levelOK, "policies", "none would apply to the tap's queue", "")
	}
}

// applying is the policy that a classic queue of that name would get, nil if none. unsure are those with patterns that
// cannot be tried here.
func applying(all []management.Policy, queue string) (best *management.Policy, unsure []management.Policy) {
	for i, p := range all {
		if !slices.Contains([]string{"all", "queues", "classic_queues"}, p.ApplyTo) {
			continue
		}
		pattern, err := regexp.Compile(p.Pattern)
		if err != nil {
			unsure = append(unsure, p)
		} else if pattern.MatchString(queue) && (best == nil || p.Priority > best.Priority) {
			best = &all[i]
		}
	}
	return best, unsure
}
