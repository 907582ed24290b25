package caddymodule

import (
	"io"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/calltap/calltap/span"
)

// beginExact adds an attempt that the transport calltap sees, and returns its place and id. The place is -1 if the request
// has ended.
func (a *attempts) beginExact(req *http.Request) (int, span.ID) {
	address := req.URL.Host
	if info, ok := reverseproxy.GetDialInfo(req.Context()); ok {
		address = info.Address
		if info.Network != "" && info.Network != "tcp" {
			address = info.Network + "/" + address
		}
	}
	a.mu.Lock()
	defer a.unlock()
	if a.ended {
		return -1, 0
	}
	a.settle(a.newest())
	// Each reverse_proxy has one URL for all of its attempts.
	c := a.begin(address, a.url == req.URL)
	a.url = req.URL
	c.exact = true
	if req.Body != nil && req.Body != http.NoBody && req.ContentLength > 0 {
		c.out = req.ContentLength
	}
	return len(a.list) - 1, c.id
}

// at is the attempt n, nil if the request has ended or the attempt's place was taken. mu is held.
func (a *attempts) at(n int, id span.ID) *attempt {
	if a.ended || n >= len(a.list) || a.list[n].id != id {
		return nil
	}
	return &a.list[n]
}

// fail ends an attempt that got no response.
func (a *attempts) fail(n int, id span.ID, err error) {
	a.mu.Lock()
	defer a.unlock()
	if c := a.at(n, id); c != nil {
		c.end = a.now()
		// What httptrace said of a dial is more than what the error does.
		if class := c.answered(a.blame(c, errorClass(err, classNoResponse))); c.failure == "" || class != classNoResponse && class != classDial {
			c.failure = class
		}
		c.first, c.broken = 0, c.failure
	}
}

// answer notes the response of an attempt, and has the end of its body noted.
func (a *attempts) answer(n int, id span.ID, req *http.Request, resp *http.Response) {
	a.mu.Lock()
	defer a.unlock()
	c := a.at(n, id)
	if c == nil {
		return
	}
	if c.first == 0 { // of a transport that does not tell
		c.first = a.now()
	}
	c.status = resp.StatusCode
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols: // its body is the connection, which lasts as long as the request
	case resp.Body == nil, resp.Body == http.NoBody, req.Method == http.MethodHead:
		c.end = a.now()
	default:
		resp.Body = &attemptBody{ReadCloser: resp.Body, attempts: a, n: n, id: id}
	}
}

// attemptBody is the body of a response to an attempt. It may be closed while another goroutine reads it.
type attemptBody struct {
	io.ReadCloser
	attempts *attempts
	n        int
	id       span.ID
	size     atomic.Int64
	over     atomic.Bool
}

// Read reads from the original body.
func (b *attemptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size.Add(int64(n))
	if err != nil {
		b.done(err)
	}
	return n, err
}

// Close ends the attempt too, of which nobody wants the rest.
func (b *attemptBody) Close() error {
	b.done(io.EOF)
	return b.ReadCloser.Close()
}

// done notes the end of the body, or that it broke off.
func (b *attemptBody) done(err error) {
	if b.over.Swap(true) {
		return
	}
	a := b.attempts
	a.mu.Lock()
	defer a.unlock()
	c := a.at(b.n, b.id)
	if c == nil {
		return
	}
	size := b.size.Load()
	if size == 0 && c != a.newest() {
		return // the proxy that got it looked at its header, and went on
	}
	c.end, c.in = a.now(), size
	if err != io.EOF {
		c.broken = errorClass(err, classAborted)
		if c.broken == classNoResponse { // there was one, not all of it
			c.broken = classAborted
		}
	}
}
