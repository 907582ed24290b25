package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// Transport is a transport of reverse_proxy around another one, which does the work. It shows each attempt to reach an
// upstream to calltap, from the call to the last byte of the response; and with `upstream_spans own` each attempt
// gets a `traceparent` and a `b3` of its own, so that what the upstream does hangs below the attempt that caused it.
//
// It changes nothing else of the transport within, and nothing at all of requests that are not traced and of health checks.
//
//	{
//		"handler": "reverse_proxy",
//		"upstreams": [{"dial": "10.0.0.5:8774"}],
//		"transport": {
//			"protocol": "calltap",
//			"transport": {"protocol": "http", "dial_timeout": "1s"}
//		}
//	}
type Transport struct {
	// TransportRaw is the transport that does the work, a module of the namespace `http.reverse_proxy.transport`. Default: `http`.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	next     http.RoundTripper
	protocol string // of next, while a Caddyfile is read
}

// transports is the namespace of reverse_proxy's transports.
const transports = "http.reverse_proxy.transport."

// CaddyModule returns the Caddy module information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: transports + "calltap", New: func() caddy.Module { return new(Transport) }}
}

// Provision loads the transport within. Caddy cleans it up, since it made it.
func (t *Transport) Provision(ctx caddy.Context) error {
	var module any
	var err error
	if t.TransportRaw == nil {
		module, err = ctx.LoadModuleByID(transports+"http", nil)
	} else {
		module, err = ctx.LoadModule(t, "TransportRaw")
	}
	if err != nil {
		return fmt.Errorf("loading the transport within calltap: %w", err)
	}
	return t.wrap(module)
}

func (t *Transport) wrap(module any) error {
	next, ok := module.(http.RoundTripper)
	if !ok {
		return fmt.Errorf("the module %T is no transport", module)
	}
	if _, ok := module.(*Transport); ok {
		return fmt.Errorf("the transport calltap is within itself; once is enough")
	}
	t.next = next
	return nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptsKey{}).(*attempts)
	if !ok {
		return t.next.RoundTrip(req)
	}
	n, id := a.beginExact(req)
	if n < 0 {
		return t.next.RoundTrip(req)
	}
	if a.own {
		req = a.withOwnHeaders(req, id)
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		a.fail(n, id, err)
		return resp, err
	}
	a.answer(n, id, req, resp)
	return resp, nil
}

// withOwnHeaders makes the attempt the parent of the next hop, in the forms of trace context that the request goes on with. What
// `header_up` made of them stays. A RoundTripper may not change its request, and the next attempt has the same headers.
func (a *attempts) withOwnHeaders(req *http.Request, id span.ID) *http.Request {
	server := a.server
	server.Parent, server.ID = server.ID, id
	own := *req
	own.Header = maps.Clone(req.Header)
	if is(req.Header["Traceparent"], string(spanbuilder.AppendTraceparent(nil, a.server))) {
		own.Header["Traceparent"] = []string{string(spanbuilder.AppendTraceparent(nil, server))}
	}
	if is(req.Header["B3"], string(spanbuilder.AppendB3(nil, a.server))) {
		own.Header["B3"] = []string{string(spanbuilder.AppendB3(nil, server))}
	}
	if is(req.Header["X-B3-Spanid"], a.server.ID.String()) {
		own.Header["X-B3-Spanid"] = []string{server.ID.String()}
		own.Header["X-B3-Parentspanid"] = []string{server.Parent.String()}
	}
	return &own
}

func is(values []string, value string) bool { return len(values) == 1 && values[0] == value }

// TLSEnabled implements reverseproxy.TLSTransport.
func (t *Transport) TLSEnabled() bool {
	inner, ok := t.next.(reverseproxy.TLSTransport)
	return ok && inner.TLSEnabled()
}

// EnableTLS implements reverseproxy.TLSTransport. It is called while a Caddyfile is read, for an upstream with https.
func (t *Transport) EnableTLS(base *reverseproxy.TLSConfig) error {
	inner, ok := t.next.(reverseproxy.TLSTransport)
	if !ok {
		return fmt.Errorf("upstreams are configured for HTTPS but the transport %s within calltap does not support TLS", t.protocol)
	}
	if err := inner.EnableTLS(base); err != nil {
		return err
	}
	return t.encode()
}

// EnableH2C implements reverseproxy.H2CTransport, likewise for h2c.
func (t *Transport) EnableH2C() error {
	inner, ok := t.next.(reverseproxy.H2CTransport)
	if !ok {
		return nil // as Caddy does without us
	}
	if err := inner.EnableH2C(); err != nil {
		return err
	}
	return t.encode()
}

// ProxyProtocolEnabled implements reverseproxy.ProxyProtocolTransport.
func (t *Transport) ProxyProtocolEnabled() bool {
	inner, ok := t.next.(reverseproxy.ProxyProtocolTransport)
	return ok && inner.ProxyProtocolEnabled()
}

// OverrideHealthCheckScheme implements reverseproxy.HealthCheckSchemeOverriderTransport.
func (t *Transport) OverrideHealthCheckScheme(base *url.URL, port string) {
	if inner, ok := t.next.(reverseproxy.HealthCheckSchemeOverriderTransport); ok {
		inner.OverrideHealthCheckScheme(base, port)
	}
}

// DefaultBufferSizes implements reverseproxy.BufferedTransport.
func (t *Transport) DefaultBufferSizes() (request, response int64) {
	if inner, ok := t.next.(reverseproxy.BufferedTransport); ok {
		return inner.DefaultBufferSizes()
	}
	return 0, 0
}

// RequiresContentLength implements reverseproxy.ContentLengthRequiredTransport.
func (t *Transport) RequiresContentLength() bool {
	inner, ok := t.next.(reverseproxy.ContentLengthRequiredTransport)
	return ok && inner.RequiresContentLength()
}

// RequestHeaderOps implements reverseproxy.RequestHeaderOpsTransport.
func (t *Transport) RequestHeaderOps() *headers.HeaderOps {
	if inner, ok := t.next.(reverseproxy.RequestHeaderOpsTransport); ok {
		return inner.RequestHeaderOps()
	}
	return nil
}

// CloseIdleConnections is for http.Client, which health checks use.
func (t *Transport) CloseIdleConnections() {
	if inner, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// Interface guards
var (
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ http.RoundTripper                                = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.BufferedTransport                   = (*Transport)(nil)
	_ reverseproxy.ContentLengthRequiredTransport      = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ io.ReadCloser                                    = (*attemptBody)(nil)
)
