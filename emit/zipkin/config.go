package zipkin

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config is what the operator writes.
type Config struct {
	// URL takes the POSTs, e.g. http://127.0.0.1:9411/api/v2/spans. A user and password in it are
	// sent as basic authentication.
	URL string `json:"url"`
	// Timeout bounds one POST, from dialling to the end of the answer, in nanoseconds. Default 10 s.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Compression of the body: gzip, none, or auto (the default), which compresses unless the server
	// is on this machine, where bytes are cheaper than the processor time to squeeze them.
	Compression string `json:"compression,omitempty"`
	// Header is sent with each POST, e.g. for a collector that wants an Authorization.
	Header map[string]string `json:"header,omitempty"`
}

// Validate says what is wrong and how to write it right. It contacts nobody.
func (c Config) Validate() error {
	u, err := parse(c.URL)
	if err != nil {
		return err
	}
	if u.Path == "" || u.Path == "/" {
		return fmt.Errorf("zipkin: the URL has no path: did you mean %s/api/v2/spans", site(u))
	}
	if c.Timeout < 0 {
		return errors.New("zipkin: the timeout is negative")
	}
	switch c.Compression {
	case "", "auto", "gzip", "none":
	default:
		return fmt.Errorf("zipkin: unknown compression %q: use auto, gzip or none", c.Compression)
	}
	for name := range c.Header {
		if !token(name) {
			return fmt.Errorf("zipkin: %q is not a header's name", name)
		}
	}
	return nil
}

// parse reads the URL without ever quoting it: url.Parse's errors hold the whole text, password and all.
func parse(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("zipkin: no URL: write e.g. http://127.0.0.1:9411/api/v2/spans")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("zipkin: the URL cannot be parsed: write e.g. http://127.0.0.1:9411/api/v2/spans")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("zipkin: the URL must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("zipkin: the URL names no host")
	}
	return u, nil
}

// site is the part of a URL that errors may tell.
func site(u *url.URL) string { return u.Scheme + "://" + u.Host }

// token reports whether s may be the name of a header (RFC 9110 §5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// compress decides for Compression auto.
func (c Config) compress(u *url.URL) bool {
	switch c.Compression {
	case "gzip":
		return true
	case "none":
		return false
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.IsLoopback())
}
