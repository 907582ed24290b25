package caddymodule

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/calltap/calltap/internal/words"
	"github.com/calltap/calltap/keyrules"
)

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	var handler Handler
	err := handler.UnmarshalCaddyfile(h.Dispenser)
	return &handler, err
}

// UnmarshalCaddyfile sets up the handler. Syntax:
//
//	calltap [<matcher>] {
//	    service <name>
//	    rule|ignore|use|under|rules ...   # as in the keys of the global option, and before them
//	    key <template>                    # of what none of the site's rules matches
//	    ...                               # how requests are traced: see Tracing.words
//	}
//
// The block may be left out.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	d = restoreNames(d)
	h.File, h.Line = filepath.Base(d.File()), d.Line()
	if d.NextArg() {
		return d.Errf("'calltap' takes a matcher and a block, '%s' is neither; the service's name goes into the block: service %s",
			d.Val(), d.Val())
	}
	var site keyrules.Config
	var all *keyrules.Rule
	p := newRuleParser(&site)
	known := p.words()
	delete(known, "routes") // one table serves all sites
	known = with(known, h.Tracing.words())
	known["service"] = once(&h.Service)
	known["key"] = func(d *caddyfile.Dispenser) error {
		if all != nil {
			return twice(d)
		}
		all = newRule(d)
		all.Kind = "http"
		return words.String(&all.Key)(d)
	}
	check := func() error { return checkSite(&site) }
	if err := known.ParseOr(d, check, func(d *caddyfile.Dispenser) error { return unknownAtSite(d, known.Known()) }); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	h.Rules = site.Rules
	if all != nil {
		h.Rules = append(h.Rules, *all)
	}
	return nil
}

// checkSite finds what loads, and would do nothing, or too much, in a site.
func checkSite(site *keyrules.Config) error {
	if len(site.Routes) > 0 || site.MaxKeys > 0 {
		return errors.New("'routes' and 'max_keys' are for all sites: such a file belongs into the keys of the global option")
	}
	for i := range site.Rules {
		r := &site.Rules[i]
		matchers := r.Exchange + r.RoutingKey + r.Queue + r.Topic + r.Namespace + r.RPCMethod + r.Form
		if r.Kind == "rpc" || matchers != "" || r.Use != "" && r.Use != "process_stack" {
			return fmt.Errorf("%s:%d: no RPC passes a site: such a rule belongs into the keys of the global option", r.File, r.Line)
		}
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
