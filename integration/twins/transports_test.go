package twins

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(new(badTransport)) }

// badTransport stands in the place of the transport calltap and does one thing wrong.
type badTransport struct {
	*reverseproxy.HTTPTransport
	How string `json:"how"`
}

func (*badTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.sabotage",
		New: func() caddy.Module { return &badTransport{HTTPTransport: new(reverseproxy.HTTPTransport)} },
	}
}

// UnmarshalCaddyfile reads what is wrong, and the options of the transport http.
func (t *badTransport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // sabotage
	if !d.NextArg() {
		return d.ArgErr()
	}
	t.How = d.Val()
	d.Prev()
	return t.HTTPTransport.UnmarshalCaddyfile(d)
}

// RoundTrip implements http.RoundTripper.
func (t *badTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return transportFaults[t.How](t.HTTPTransport, req)
}

// transportFaults are the faults of a transport around another one by name.
var transportFaults = map[string]func(next http.RoundTripper, req *http.Request) (*http.Response, error){
	"a header left on the attempt": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("X-Attempt", "1")
		return next.RoundTrip(req)
	},
	"a connection that cannot be written": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			resp.Body = struct{ io.ReadCloser }{resp.Body} // as a wrapper of bodies does that forgets 101
		}
		return resp, err
	},
	"an answer read ahead": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return resp, nil
	},
	"an upstream's abort hidden": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			resp.Body = endless{resp.Body}
		}
		return resp, err
	},
	"an upstream's trailers lost": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		other := *resp
		other.Trailer = nil
		return &other, nil
	},
	"a failure made an answer": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			resp = &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: req, ProtoMajor: 1, ProtoMinor: 1}
		}
		return resp, nil
	},
	"an attempt that outlives its client": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		return next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
	},
	"a WebSocket's headers lost": func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		for name := range req.Header {
			if strings.HasPrefix(name, "Sec-Websocket-") {
				req.Header.Del(name)
			}
		}
		return next.RoundTrip(req)
	},
}

// failing is a reader that has only an error.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) {
	if f.error == nil {
		return 0, io.EOF
	}
	return 0, f.error
}

// endless is a body that never breaks off.
type endless struct{ io.ReadCloser }

func (e endless) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}
