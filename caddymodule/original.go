package caddymodule

import (
	"net/http"
	"reflect"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// originalRequest returns what the client sent, of which Caddy keeps a copy: handle_path and rewrites outside of us have changed r by now.
// Outside of Caddy that is r itself. It must not be written to.
//
// The copy is a struct in an interface, and to take it out is to copy its 250 bytes again, which costs more than to find it. So
// its address is taken, which an interface of a type larger than a pointer holds (reflect relies on the same).
func originalRequest(r *http.Request) *http.Request {
	kept := r.Context().Value(caddyhttp.OriginalRequestCtxKey)
	if reflect.TypeOf(kept) != requestType {
		return r
	}
	original := (*http.Request)((*[2]unsafe.Pointer)(unsafe.Pointer(&kept))[1])
	if original.URL == nil {
		return r
	}
	return original
}

var requestType = reflect.TypeFor[http.Request]()
