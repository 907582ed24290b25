package caddymodule

import (
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// serverFacts are what a handler must know of its Caddy server. A handler belongs to one server for life, which is complete when the first
// request comes and is asked then, once: each answer is a walk through the request's context.
type serverFacts struct{ known atomic.Uint32 }

// traits are what is known of a server, a bit each.
type traits uint32

const (
	serverSeen          traits = 1 << iota // it was asked
	serverLogs                             // it has access logs, which alone show log fields
	serverErrors                           // it has error routes, which begin anew with the request
	serverTrustsProxies                    // it has the option trusted_proxies or trusted_proxies_unix, so that a peer may speak for others
)

func (t traits) has(which traits) bool { return t&which != 0 }

// of returns what is known of the server of r. Outside of a server everything is.
func (f *serverFacts) of(r *http.Request) traits {
	if t := traits(f.known.Load()); t != 0 {
		return t
	}
	return f.ask(r)
}

func (f *serverFacts) ask(r *http.Request) traits {
	t := serverSeen
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs != nil {
		t |= serverLogs
	}
	if !ok || server.Errors != nil {
		t |= serverErrors
	}
	if !ok || hasTrustedProxies(server) || server.TrustedProxiesUnix {
		t |= serverTrustsProxies
	}
	f.known.Store(uint32(t))
	return t
}
