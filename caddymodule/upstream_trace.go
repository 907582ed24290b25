package caddymodule

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
)

// watchUpstreams has transports tell q of their attempts: every http.RoundTripper that is given r's context, or one made of it.
// reverse_proxy puts a trace of its own on top, and both are called. Health checks have contexts of their own.
//
// r stays the same *http.Request, with another context: handlers before us that look at it after the response must see
// what handlers behind us made of it, as without us.
func (q *request) watchUpstreams(r *http.Request) {
	mode := q.handler.site.UpstreamSpans
	if mode == "" || mode == "off" {
		return
	}
	q.attempts = newAttempts(q.handler.state, r, q.start, q.server, mode == "own")
	q.attempts.body = q.received
	*r = *r.WithContext(q.attempts)
}

// getConn begins an attempt: a transport wants a connection to address. It is called on the goroutine of the proxy.
//
// What came before is a try of the same if it had no answer or a bad one; after a good one this is another
// subrequest, as that of forward_auth is followed by the one that it permits.
func (a *attempts) getConn(address string) {
	a.mu.Lock()
	defer a.unlock()
	if a.ended {
		return
	}
	before := a.newest()
	if before != nil && before.exact && before.end == 0 && before.first == 0 {
		before.again = before.got
		return
	}
	a.settle(before)
	resend := before != nil && (before.first == 0 || before.status >= http.StatusInternalServerError)
	// With the PROXY protocol Caddy asks for upstream->client.
	address, _, _ = strings.Cut(address, "->")
	a.begin(address, resend)
}

func (a *attempts) gotConn(info httptrace.GotConnInfo) {
	a.mu.Lock()
	defer a.unlock()
	c := a.open()
	if c == nil {
		return
	}
	c.got, c.idle = true, info.Reused && info.WasIdle
	if info.Reused { // what was dialled for it meanwhile is another's
		c.connect, c.connected, c.secure, c.secured = 0, 0, 0, 0
	}
	c.failure, c.failed = "", 0
	if info.Conn != nil {
		c.reached(info.Conn.RemoteAddr())
	}
}

// reached notes whom the connection is with.
func (c *attempt) reached(addr net.Addr) {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		c.remote = addr.AddrPort()
	case *net.UDPAddr: // of QUIC, which connects by its handshake
		c.remote = addr.AddrPort()
		c.connect, c.connected = c.secure, c.secured
	case *net.UnixAddr:
		c.address = "unix/" + addr.Name
	}
	c.remote = netip.AddrPortFrom(c.remote.Addr().Unmap().WithZone(""), c.remote.Port())
}

// open is the attempt that waits for a response, nil if none does. mu is held.
func (a *attempts) open() *attempt {
	if c := a.newest(); !a.ended && c != nil && c.first == 0 && c.end == 0 {
		return c
	}
	return nil
}

// dialling is the attempt that waits for a connection, nil if none does. A connection that was dialled for an attempt which then got
// another one has nothing to do with it. mu is held.
func (a *attempts) dialling() *attempt {
	if c := a.open(); c != nil && !c.got {
		return c
	}
	return nil
}

func (a *attempts) dnsDone(info httptrace.DNSDoneInfo) {
	a.mu.Lock()
	defer a.unlock()
	if c := a.dialling(); c != nil && info.Err != nil {
		c.failure, c.failed = errorClass(info.Err, classDNS), a.now()
	}
}

// connectStart notes a connection that is dialled; or begins an attempt, if it is of a transport that only dials.
func (a *attempts) connectStart(network, address string) {
	a.mu.Lock()
	defer a.unlock()
	if a.ended {
		return
	}
	c := a.newest()
	if c == nil || c.dialled && (c.connected != 0 || c.failure != "") {
		a.settle(c)
		c = a.begin(address, c != nil && (c.connected == 0 || c.status >= http.StatusInternalServerError))
		c.dialled = true
	}
	if c = a.dialling(); c == nil {
		return
	}
	if strings.HasPrefix(network, "unix") {
		c.address = "unix/" + address
	}
	if c.connect == 0 {
		c.connect = a.now()
	}
}

// connectDone may be called for several addresses of a name, of which one that answers is enough.
func (a *attempts) connectDone(_, address string, err error) {
	a.mu.Lock()
	defer a.unlock()
	c := a.dialling()
	if c == nil || c.connected != 0 {
		return
	}
	if err != nil {
		c.failure, c.failed = errorClass(err, classDial), a.now()
		return
	}
	c.connected, c.failure, c.failed = a.now(), "", 0
	if addr, err := netip.ParseAddrPort(address); err == nil {
		c.remote = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
	}
}

func (a *attempts) tlsStart() {
	a.mu.Lock()
	defer a.unlock()
	if c := a.dialling(); c != nil && c.secure == 0 {
		c.secure = a.now()
	}
}

func (a *attempts) tlsDone(err error) {
	a.mu.Lock()
	defer a.unlock()
	c := a.dialling()
	switch {
	case c == nil:
	case err != nil && c.connect == 0: // of QUIC
		c.connect, c.failure, c.failed = c.secure, errorClass(err, classDial), a.now()
	case err != nil:
		c.failure, c.failed = errorClass(err, classTLS), a.now()
	default:
		c.secured = a.now()
	}
}

func (a *attempts) wroteRequest(info httptrace.WroteRequestInfo) {
	a.mu.Lock()
	defer a.unlock()
	c := a.newest()
	switch {
	case a.ended || c == nil || c.end != 0:
	case info.Err == nil: // which may be told after the first byte
		c.sent = a.now()
	case c.first == 0: // there may still be a response, of an upstream that did not want the rest of the body
		c.failure, c.failed = a.blame(c, errorClass(info.Err, classReset)), a.now()
	}
}

func (a *attempts) firstByte() {
	a.mu.Lock()
	defer a.unlock()
	if c := a.open(); c != nil {
		c.first = a.now()
	}
}

// putIdle ends an attempt: HTTP/1 has its connection back, so the response is complete.
func (a *attempts) putIdle(err error) {
	a.mu.Lock()
	defer a.unlock()
	c := a.newest()
	if a.ended || c == nil || c.first == 0 {
		return
	}
	c.freed = err == nil
	if c.end == 0 && !c.exact {
		c.end = a.now()
	}
}
