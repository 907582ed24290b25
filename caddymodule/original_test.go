package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

// If Caddy keeps the original otherwise some day, spans would be named after rewritten paths.
func TestOriginalRequestIsWhatTheClientSent(t *testing.T) {
	w := httptest.NewRecorder()
	r := caddyRequest(httptest.NewRequest(http.MethodPost, "/shop/cart?a=1", nil), w)
	r.Method, r.URL.Path, r.URL.RawQuery = http.MethodGet, "/cart", ""
	o := originalRequest(r)
	require.NotSame(t, r, o, "Caddy keeps a copy")
	require.Equal(t, "POST /shop/cart?a=1", o.Method+" "+o.URL.Path+"?"+o.URL.RawQuery)
	kept := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	require.Equal(t, kept, *o)
}

func TestOriginalRequestOutsideOfCaddyIsTheRequest(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/a", nil)
	for name, kept := range map[string]any{
		"nothing":      nil,
		"no url":       http.Request{Method: http.MethodPut},
		"a pointer":    httptest.NewRequest(http.MethodPut, "/b", nil),
		"another type": "/b",
	} {
		r := r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, kept))
		require.Same(t, r, originalRequest(r), name)
	}
}
