package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/calltap/calltap/keyrules"
)

// Site is one handler `calltap`.
type Site struct {
	Service string          `json:"service"` // "" is the handler's default
	Rules   []keyrules.Rule `json:"rules"`   // its own, which go before the app's
}

// Site returns the site of a service. Without a name it is the only one there is; of several, or none, it
// is one that has neither name nor rules. A name that no site has may be a client's guess, so it is an error
// that tells the names that there are.
func (c *Config) Site(service string) (Site, error) {
	if service == "" {
		if len(c.Sites) == 1 {
			return c.Sites[0], nil
		}
		return Site{}, nil
	}
	var names []string
	for _, s := range c.Sites {
		if s.Service == service {
			return s, nil
		}
		names = append(names, s.Service)
	}
	if len(names) > 0 {
		return Site{}, fmt.Errorf("no site has the service %q; there are: %s", service, strings.Join(names, ", "))
	}
	return Site{Service: service}, nil
}

// findSites looks for handlers wherever they may be: routes nest in subroutes, error routes and the
// handlers of other modules.
func findSites(v any) ([]Site, error) {
	var all []Site
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			sites, err := findSites(element)
			if err != nil {
				return nil, err
			}
			all = append(all, sites...)
		}
	case map[string]any:
		if v["handler"] == "calltap" {
			site, err := newSite(v)
			return []Site{site}, err
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			sites, err := findSites(v[name])
			if err != nil {
				return nil, err
			}
			all = append(all, sites...)
		}
	}
	return all, nil
}

func newSite(handler map[string]any) (s Site, err error) {
	text, err := json.Marshal(handler)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}
