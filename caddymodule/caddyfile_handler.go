package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/calltap/calltap/internal/words"
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
//	}
//
// The block may be left out.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("'calltap' takes a matcher and a block, '%s' is neither; the service's name goes into the block: service %s",
			d.Val(), d.Val())
	}
	return words.Block{"service": words.String(&h.Service)}.Parse(d, "calltap", nil)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
