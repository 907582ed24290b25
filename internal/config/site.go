package config

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/calltap/calltap/keyrules"
)

// Site is one handler `calltap`.
type Site struct {
	Service string          `json:"service"` // "" is the handler's default
	Keys    keyrules.Config `json:"keys"`    // its own rules, which go before the app's
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
