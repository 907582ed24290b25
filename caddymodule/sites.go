package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// enlisted is a handler of a configuration, and the server that it belongs to.
type enlisted struct {
	*Handler
	server *caddyhttp.Server // nil in a configuration without one
	inner  bool              // each request that comes here has an outer calltap already
}

// enlist makes h known to its app. Caddy provisions one handler after the other.
func (h *Handler) enlist(ctx caddy.Context) {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	h.state.sites = append(h.state.sites, &enlisted{Handler: h, server: server})
}

// where is the place of the directive, "" in a configuration that was no Caddyfile.
func (h *Handler) where() string {
	if h.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", h.File, h.Line)
}

// findInner marks the handlers within others, and warns of what they say in vain. Caddy has provisioned all of them by now.
func (st *state) findInner() {
	inner := make(map[*Handler]bool)
	walked := make(map[*caddyhttp.Server]bool)
	for _, s := range st.sites {
		if s.server != nil && !walked[s.server] {
			walked[s.server] = true
			walkRoutes(s.server.Routes, false, inner)
		}
	}
	for _, s := range st.sites {
		s.inner = inner[s.Handler]
		if words := s.begins(); s.inner && len(words) > 0 {
			st.logger.Warn("this calltap stands within another one, which has begun the request: some of its words do nothing here",
				zap.String("at", s.where()), zap.String("service", s.Service), zap.Strings("words", words))
		}
	}
}

// walkRoutes notes the handlers that no request reaches but through another one, and reports whether that is so of what comes after
// the routes. A route that some requests pass by, for its matchers or its group, says nothing of those after it; nor does a handler with
// rules that ignore requests, as those may be begun further in.
func walkRoutes(routes caddyhttp.RouteList, within bool, inner map[*Handler]bool) bool {
	for i := range routes {
		here := within
		for _, handler := range routes[i].Handlers {
			switch h := handler.(type) {
			case *Handler:
				inner[h] = here
				here = here || !h.ignores()
			case *caddyhttp.Subroute:
				here = walkRoutes(h.Routes, here, inner)
			}
		}
		if len(routes[i].MatcherSets) == 0 && routes[i].Group == "" {
			within = here
		}
	}
	return within
}

// ignores reports whether a rule of the site's own leaves requests alone.
func (h *Handler) ignores() bool {
	for i := range h.Rules {
		if h.Rules[i].Ignore {
			return true
		}
	}
	return false
}

// begins names the site's own words about how a request begins, or what becomes of it if it is not recorded.
func (h *Handler) begins() (words []string) {
	t := &h.Tracing
	for _, x := range []struct {
		word  string
		given bool
	}{
		{"extract", t.Extract != nil},
		{"clear", t.Clear != nil},
		{"inject", t.Inject != nil},
		{"trusted_proxies", t.TrustedProxies != nil},
		{"sample", t.Sample != nil || t.SampleRate != nil || t.SampleParent != nil},
		{"keep_errors", t.KeepErrors != nil},
		{"keep_status", t.KeepStatus != nil},
		{"keep_slower", t.KeepSlower != 0},
		{"upstream_spans", t.UpstreamSpans != ""},
		{"response_header", t.ResponseHeader != ""},
	} {
		if x.given {
			words = append(words, x.word)
		}
	}
	return words
}

// trusted is whom a site believes, for the status page.
type trusted struct {
	Site   string   `json:"site"`
	At     string   `json:"at,omitempty"` // where the directive stands
	Listen []string `json:"listen,omitempty"`
	By     string   `json:"by"`    // who says so: site, calltap (the global option), server (Caddy's own option), default
	Peers  []string `json:"peers"` // ranges and words, as they were written
}

// trusts tells whom each site believes, but for those within others, which are not asked.
func (st *state) trusts() []trusted {
	all := []trusted{}
	for _, s := range st.sites {
		if s.inner {
			continue
		}
		t := trusted{Site: serviceName(s.Service, ""), At: s.where()}
		if s.server != nil {
			t.Listen = s.server.Listen
		}
		t.By, t.Peers = s.believes()
		all = append(all, t)
	}
	return all
}

// believes is in words what trust.believes does.
func (s *enlisted) believes() (by string, peers []string) {
	switch {
	case s.TrustedProxies != nil:
		return "site", s.TrustedProxies
	case !s.trust.byServer:
		return "calltap", s.site.TrustedProxies
	}
	if source := proxiesOf(s.server); source != nil {
		return "server", serverPeers(s.server, source)
	}
	return "default", []string{privateRanges}
}

// serverPeers tells what a server's option trusted_proxies says. Ranges that a module fetches are not for a page: its name is.
func serverPeers(server *caddyhttp.Server, source caddyhttp.IPRangeSource) (peers []string) {
	switch source := source.(type) {
	case *caddyhttp.StaticIPRange:
		peers = append(peers, source.Ranges...)
	case caddy.Module:
		peers = append(peers, strings.TrimPrefix(string(source.CaddyModule().ID), "http.ip_sources."))
	}
	if server.TrustedProxiesUnix {
		peers = append(peers, "unix")
	}
	return peers
}
