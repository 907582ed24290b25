package caddymodule

import (
	"net/http"
	"reflect"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// UnmarshalCaddyfile reads the transport within reverse_proxy:
//
//	transport calltap [<transport>] {
//	    <the options of that transport>
//	}
//
// The transport is that of Caddy's namespace, such as `fastcgi`. Default: `http`.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // calltap
	t.protocol = "http"
	if d.NextArg() {
		t.protocol = d.Val()
	}
	if t.protocol == "calltap" {
		return d.Err("the transport calltap is within itself; once is enough")
	}
	module, err := caddyfile.UnmarshalModule(d, transports+t.protocol)
	if err != nil {
		return err
	}
	if err := t.wrap(module); err != nil {
		return d.WrapErr(err)
	}
	return t.encode()
}

// encode writes the transport within as it is now. The default one, as it is by default, is not written.
func (t *Transport) encode() error {
	t.TransportRaw = nil
	if reflect.DeepEqual(t.next, http.RoundTripper(new(reverseproxy.HTTPTransport))) {
		return nil
	}
	t.TransportRaw = caddyconfig.JSONModuleObject(t.next, "protocol", t.protocol, nil)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Transport)(nil)
