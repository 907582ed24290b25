package caddymodule

import (
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Skip keeps a request out of tracing: it is neither traced nor counted. It is for where no matcher can be written at `calltap`
// itself, such as within a nested route, and works wherever it stands: a request that `calltap` saw before has its span
// dropped at the end, but keeps the trace headers that it got.
type Skip struct{}

// skipVar is set for requests that are to be skipped.
const skipVar = "calltap_skip"

// skips says that some configuration has a Skip, so that requests need not be asked otherwise.
var skips atomic.Bool

// CaddyModule returns the Caddy module information.
func (Skip) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.calltap_skip", New: func() caddy.Module { return new(Skip) }}
}

// Provision implements caddy.Provisioner.
func (Skip) Provision(caddy.Context) error {
	skips.Store(true)
	return nil
}

// ServeHTTP marks the request and lets next answer.
func (Skip) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if vars, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any); ok {
		vars[skipVar] = true
	}
	return next.ServeHTTP(w, r)
}

// skipped reports whether a Skip has seen the request.
func skipped(vars map[string]any) bool {
	if !skips.Load() {
		return false
	}
	skip, _ := vars[skipVar].(bool)
	return skip
}

// skippedLate is for a Skip behind the handler that has the span.
func skippedLate(r *http.Request) bool {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return skipped(vars)
}

// parseSkip reads the directive: calltap_skip [<matcher>].
func parseSkip(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("'calltap_skip' takes only a matcher, found '%s'", h.Val())
	}
	return Skip{}, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Skip)(nil)
	_ caddyhttp.MiddlewareHandler = (*Skip)(nil)
)
