package management

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	timeout = 5 * time.Second // of one request, its body included
	maxBody = 8 << 20         // of one answer
)

// Options are where the API is and who asks.
type Options struct {
	URL      *url.URL // scheme, host, port, and the path before /api if there is one; user and query are not used
	Username string
	Password string
	// TLS returns the configuration of a new https connection to a host; nil is the system's authorities.
	TLS func(host string) (*tls.Config, error)
}

// Client asks one address. Its methods may be called at the same time.
type Client struct {
	opts Options
	http *http.Client
}

// StatusError is an answer other than success.
type StatusError struct {
	Path string // of the request, such as /api/vhosts
	Code int    // 401: the user lacks a tag or the password is wrong; 404: there is no such object
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("management API: %s: %d %s", e.Path, e.Code, http.StatusText(e.Code))
}

// Is says that a StatusError is one of the sentinel errors, by its code.
func (e *StatusError) Is(target error) bool {
	switch target {
	case ErrNotAllowed:
		return e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden
	case ErrNotFound:
		return e.Code == http.StatusNotFound
	}
	return false
}

// Sentinel errors, to be looked for with errors.Is.
var (
	// ErrNotAllowed is returned where the user's tag does not suffice, or name and password are wrong: the API does not say which.
	ErrNotAllowed = errors.New("management API: not allowed")
	// ErrNotFound is returned for an object that does not exist.
	ErrNotFound = errors.New("management API: not found")
)

// ParseURL reads the base address, such as http://127.0.0.1:15672. Its error does not quote it: it may hold a password.
func ParseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("want a URL such as http://127.0.0.1:15672")
	}
	return u, nil
}

// New makes a Client. It dials nothing.
func New(o Options) (*Client, error) {
	transport := &http.Transport{
		MaxConnsPerHost:     2, // who polls must not become a load himself
		MaxIdleConns:        1,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: timeout,
	}
	if o.URL.Scheme == "https" && o.TLS != nil {
		c, err := o.TLS(o.URL.Hostname())
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = c
	}
	return &Client{opts: o, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// At makes a Client with the same user for the same API at another host and port.
func (c *Client) At(host string) (*Client, error) {
	o := c.opts
	o.URL = &url.URL{Scheme: o.URL.Scheme, Host: host, Path: o.URL.Path}
	return New(o)
}

// Base is the address that c asks, without user.
func (c *Client) Base() *url.URL {
	return &url.URL{Scheme: c.opts.URL.Scheme, Host: c.opts.URL.Host, Path: c.opts.URL.Path}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// get asks for /api/path?query, where the elements of path are escaped, and decodes the answer into what answer points to.
func (c *Client) get(ctx context.Context, query string, answer any, path ...string) error {
	return c.do(ctx, http.MethodGet, query, nil, answer, path...)
}

func (c *Client) do(ctx context.Context, method, query string, question, answer any, path ...string) error {
	code, body, err := c.exchange(ctx, method, query, question, path)
	if err != nil {
		return err
	}
	if code/100 != 2 {
		return &StatusError{Path: pathOf(path), Code: code}
	}
	return decode(body, answer, path)
}

// decode keeps back the JSON error, which may quote the body.
func decode(body []byte, answer any, path []string) error {
	if answer == nil {
		return nil
	}
	if json.Unmarshal(body, answer) != nil {
		return fmt.Errorf("management API: %s: the answer is not what RabbitMQ's would be", pathOf(path))
	}
	return nil
}

func pathOf(path []string) string { return "/api/" + strings.Join(path, "/") }

// exchange sends one request and reads all of its answer, whatever that is.
func (c *Client) exchange(ctx context.Context, method, query string, question any, path []string) (code int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, method, query, question, path)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, c.redact(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, nil, c.redact(err)
	case len(body) > maxBody:
		return 0, nil, fmt.Errorf("management API: %s: the answer is above %d bytes", pathOf(path), maxBody)
	}
	return resp.StatusCode, body, nil
}

func (c *Client) request(ctx context.Context, method, query string, question any, path []string) (*http.Request, error) {
	var body io.Reader
	if question != nil {
		b, err := json.Marshal(question)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	escaped := []string{"api"}
	for _, p := range path {
		escaped = append(escaped, url.PathEscape(p))
	}
	target := c.Base().JoinPath(escaped...)
	target.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, c.redact(err)
	}
	req.SetBasicAuth(c.opts.Username, c.opts.Password)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// redact takes from an error of net/http the URL, and the password should it be there in spite of all.
func (c *Client) redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if c.opts.Password != "" && strings.Contains(err.Error(), c.opts.Password) {
		return errors.New("management API: the request failed")
	}
	return fmt.Errorf("management API: %w", err)
}
