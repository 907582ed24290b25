package caddymodule

import (
	"net/http"
	"reflect"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// serverTrusts asks the server's own option trusted_proxies about the peer of r. decided is false if the server does not have it, and
// the peer is not one of its trusted Unix sockets.
//
// Caddy tells its verdict with each request, but not whether a "no" means that there is a list and the peer is not on it.
func serverTrusts(r *http.Request) (decided, trusted bool) {
	ctx := r.Context()
	if vars, ok := ctx.Value(caddyhttp.VarsCtxKey).(map[string]any); ok {
		if trusted, _ = vars[caddyhttp.TrustedProxyVarKey].(bool); trusted {
			return true, true
		}
	}
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && server != nil && hasTrustedProxies(server), false
}

// proxiesField is where a Server keeps the module that its option names. The option itself, TrustedProxiesRaw, is
// emptied when the module is loaded, and the field has no getter; that it is there is tested.
var proxiesField, proxiesFieldFound = reflect.TypeFor[caddyhttp.Server]().FieldByName("trustedProxies")

// hasTrustedProxies reports whether the option is set.
func hasTrustedProxies(server *caddyhttp.Server) bool { return proxiesOf(server) != nil }

// proxiesOf returns the module that the option names, nil if it is not set. With a Caddy that keeps it elsewhere it is as if it were not.
func proxiesOf(server *caddyhttp.Server) caddyhttp.IPRangeSource {
	if server == nil || !proxiesFieldFound || len(proxiesField.Index) != 1 || proxiesField.Type != reflect.TypeFor[caddyhttp.IPRangeSource]() {
		return nil
	}
	return *(*caddyhttp.IPRangeSource)(unsafe.Add(unsafe.Pointer(server), proxiesField.Offset))
}
