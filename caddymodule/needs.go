package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/calltap/calltap/keyrules"
)

// needs is what a site's rules read of a request by name. For most sites it is nothing, and costs nothing.
type needs struct {
	headers   []string // as rules spell them
	canonical []string // as net/http does
}

// provisionRules compiles the site's rules before the app's.
func (h *Handler) provisionRules() error {
	h.rules = h.state.tracer.Rules
	if len(h.Rules) > 0 {
		rules, err := h.rules.With(h.Rules)
		if err != nil {
			return fmt.Errorf("rules of the site: %w", err)
		}
		h.rules = rules
		h.state.warnOf(rules, h.Rules)
	}
	asked := h.rules.Needs()
	h.needs = needs{headers: asked.Headers}
	for _, name := range asked.Headers {
		h.needs.canonical = append(h.needs.canonical, http.CanonicalHeaderKey(name))
	}
	return nil
}

// headerValues are the headers that rules read, as they came: other handlers may change them later.
type headerValues struct {
	names  []string
	values []string
}

// readHeaders returns nil if rules read none.
func (n *needs) readHeaders(r *http.Request) *headerValues {
	if len(n.headers) == 0 {
		return nil
	}
	v := &headerValues{n.headers, make([]string, len(n.headers))}
	for i, name := range n.canonical {
		if v.values[i] = first(r.Header[name]); name == "Host" {
			v.values[i] = r.Host // net/http moves it
		}
	}
	return v
}

// get finds a header by the name that a rule has for it.
func (v *headerValues) get(name string) string {
	for i, n := range v.names {
		if n == name {
			return v.values[i]
		}
	}
	return ""
}

// peek asks the rules what must be known of a request before it runs.
func (h *Handler) peek(method, host, path string, headers *headerValues) keyrules.Hint {
	if headers == nil {
		return h.rules.Peek(method, host, path)
	}
	return h.rules.PeekCall(&keyrules.Call{Kind: keyrules.HTTP, Method: method, Host: host, Path: path, Header: headers.get})
}

// lend gives the rules the means to read what they name.
func (q *request) lend(call *keyrules.Call) {
	if q.headers != nil {
		call.Header = q.headers.get
	}
	if head := q.body.kept(); head != nil {
		head = mended(head)
		call.JSON = func(path string) string { return keyrules.LookupJSON(head, path) }
	}
}
