package caddymodule

import (
	"net/url"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/emit/store"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/trigger"
)

// status is what /calltap/status shows. It holds no secret: addresses appear as they were
// configured, before placeholders were replaced, and without user and query.
type status struct {
	Pipeline emit.Status    `json:"pipeline"`
	HTTP     httpStatus     `json:"http"`
	Store    *store.Stats   `json:"store,omitempty"`
	Control  []shownSwitch  `json:"control"` // what an operator changed, see calltap control
	Late     sampling.Stats `json:"late"`    // traces that were not recorded and may be kept for how they end
	Sources  []sourceStatus `json:"sources"`
	Settings settings       `json:"settings"`
}

// httpStatus counts since calltap was first loaded, over all configurations but for InFlight.
type httpStatus struct {
	InFlight     int64                       `json:"in_flight"`     // requests under way in this configuration
	Untrusted    int64                       `json:"untrusted"`     // trace contexts of peers that are not believed
	HeaderFaults map[string]map[string]int64 `json:"header_faults"` // malformed trace headers, by format and by what is wrong
	Triggers     map[string]int64            `json:"triggers"`      // headers that force a trace, by what became of them
	Faults       int64                       `json:"faults"`        // panics in calltap that requests survived untraced
}

type sourceStatus struct {
	Source string `json:"source"`
	Status any    `json:"status"`
}

// settings is a summary of the configuration.
type settings struct {
	Zipkin         string    `json:"zipkin,omitempty"`
	StatsD         string    `json:"statsd,omitempty"`
	Log            string    `json:"log,omitempty"`
	Store          bool      `json:"store"`
	Sample         float64   `json:"sample"`
	Link           string    `json:"link,omitempty"`
	TrustedProxies []trusted `json:"trusted_proxies"` // of each site, as what decides there says
	Rules          int       `json:"rules"`
	Routes         int       `json:"routes"`        // lines of all route tables
	Keys           int       `json:"keys"`          // different keys so far
	KeyOverflows   uint64    `json:"key_overflows"` // calls that got the key _other, as there were max_keys others
}

func (a *App) status() status {
	st := a.state
	s := status{
		Pipeline: st.pipeline.Status(),
		HTTP: httpStatus{
			InFlight:     st.requests.n.Load(),
			Untrusted:    st.untrusted.Load(),
			HeaderFaults: st.headerFaults.byFormat(),
			Triggers:     make(map[string]int64),
			Faults:       st.faults.Load(),
		},
		Control:  st.switches(),
		Late:     st.holder.Stats(),
		Sources:  []sourceStatus{},
		Settings: a.settings(),
	}
	if st.store != nil {
		stats := st.store.Stats()
		s.Store = &stats
	}
	for v := range st.guard.Counts {
		if n := st.guard.Counts[v].Load(); n > 0 {
			s.HTTP.Triggers[trigger.Verdict(v).String()] = n
		}
	}
	for _, source := range st.sources {
		s.Sources = append(s.Sources, sourceStatus{source.name, source.Status()})
	}
	return s
}

func (a *App) settings() settings {
	s := settings{
		Store:          a.Store != nil,
		Sample:         a.sample(),
		Link:           a.Link,
		TrustedProxies: a.state.trusts(),
		Rules:          len(a.Keys.Rules),
		Keys:           a.state.tracer.Rules.Keys(),
		KeyOverflows:   a.state.tracer.Rules.Overflows(),
	}
	for i := range a.Keys.Routes {
		s.Routes += len(a.Keys.Routes[i].Table)
	}
	if a.Zipkin != nil {
		s.Zipkin = bareURL(a.Zipkin.URL)
	}
	if a.StatsD != nil {
		s.StatsD = a.StatsD.Address
	}
	if a.Log != nil {
		s.Log = a.Log.Output
	}
	return s
}

// bareURL cuts off what may be secret if somebody wrote it into the configuration.
func bareURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(set)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
