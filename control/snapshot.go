package control

import (
	"slices"
	"strings"
)

// Snapshot is what holds at one moment. It never changes. A nil Snapshot changes nothing.
type Snapshot struct {
	all   *Switch            // of all sites, nil if none
	sites map[string]*Switch // by service
	keys  []*Switch          // those of keys, the one that goes first at the front
}

// newSnapshot makes a Snapshot of switches, the oldest first and each with a scope of its own.
func newSnapshot(switches []Switch) *Snapshot {
	if len(switches) == 0 {
		return nil
	}
	s := &Snapshot{sites: map[string]*Switch{}}
	var everywhere []*Switch // keys of all sites
	for _, c := range slices.Backward(switches) {
		switch {
		case c.Key != "" && c.Site != "":
			s.keys = append(s.keys, &c)
		case c.Key != "":
			everywhere = append(everywhere, &c)
		case c.Site != "":
			s.sites[c.Site] = &c
		default:
			s.all = &c
		}
	}
	s.keys = append(s.keys, everywhere...)
	return s
}

func (s *Snapshot) of(site string) *Switch {
	if c, ok := s.sites[site]; ok {
		return c
	}
	return s.all
}

// Off reports whether a site is not to be traced at all.
func (s *Snapshot) Off(site string) bool {
	if s == nil {
		return false
	}
	c := s.of(site)
	return c != nil && c.Do == Off
}

// Share is the share of a site's requests of that method and path that is to be recorded, 0 to 1. final says that a caller's own
// decision does not go before it. It is not ok if nothing was changed.
func (s *Snapshot) Share(site, method, path string) (share float64, final, ok bool) {
	if s == nil {
		return 0, false, false
	}
	c := s.of(site)
	if c == nil {
		return 0, false, false
	}
	switch c.Do {
	case Sample:
		return c.Share, false, true
	case Only:
		wantMethod, wantPath, _ := strings.Cut(c.Match, " ")
		if glob(wantMethod, method) && glob(wantPath, path) {
			return 1, true, true
		}
		return 0, true, true
	}
	return 0, false, false
}

// Key is the share of a key's spans that is to be recorded. off says that they are not even to be counted. It is not ok if
// nothing was changed about that key.
func (s *Snapshot) Key(site, key string) (share float64, off, ok bool) {
	if s == nil {
		return 0, false, false
	}
	for _, c := range s.keys {
		if (c.Site == "" || c.Site == site) && glob(c.Key, key) {
			return c.Share, c.Do == Off, true
		}
	}
	return 0, false, false
}
