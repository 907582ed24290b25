package twins

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// clients speak HTTP/1.1 over TLS, HTTP/2 with and without, and HTTP/3, each by a transport of its own.
type clients struct {
	h1, h2, h2c *http.Transport
	h3          *http3.Transport
	tunnels     *http.Transport // of extended CONNECT over HTTP/2, see tunnel
}

func newClients(stage *stage) *clients {
	config := func() *tls.Config { return &tls.Config{RootCAs: stage.pool, ServerName: "localhost"} }
	of := func(set func(*http.Protocols)) *http.Transport {
		p := new(http.Protocols)
		set(p)
		return &http.Transport{TLSClientConfig: config(), Protocols: p, DisableCompression: true, ExpectContinueTimeout: patience, MaxResponseHeaderBytes: 1 << 20}
	}
	c := &clients{
		h1:  of(func(p *http.Protocols) { p.SetHTTP1(true) }),
		h2:  of(func(p *http.Protocols) { p.SetHTTP2(true) }),
		h2c: of(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }),
		h3:  &http3.Transport{TLSClientConfig: config(), DisableCompression: true},

		tunnels: of(func(p *http.Protocols) { p.SetHTTP2(true) }),
	}
	c.tunnels.CloseIdleConnections() // which sets it up
	c.h1.DisableKeepAlives = true    // on a connection that was used before, the transport tries again by itself
	return c
}

func (c *clients) close() {
	c.h1.CloseIdleConnections()
	c.h2.CloseIdleConnections()
	c.h2c.CloseIdleConnections()
	c.tunnels.CloseIdleConnections()
	c.h3.Close()
}

// send sends the exchange's shape and returns all that the client gets, as text.
func (c *clients) send(x *exchange, to *site) string {
	if x.shape.proto == "raw" {
		return sendRaw(x, to)
	}
	base, transport := fmt.Sprintf("https://localhost:%d", to.tls), http.RoundTripper(c.h1)
	switch x.shape.proto {
	case "h2":
		transport = c.h2
	case "h2c":
		base, transport = fmt.Sprintf("http://localhost:%d", to.plain), c.h2c
	case "h3":
		transport = c.h3
	}
	if x.shape.tunnel != "" && x.shape.proto == "h2" {
		transport = roundTripper(c.tunnel)
	}
	text := ""
	for range 5 {
		// A server that closes an HTTP/2 connection, as for "Connection: close", takes along streams that it has not looked at. What
		// was waited for in vain is another thing.
		began := time.Now()
		text = attempt(x, transport, base)
		if text != failed || x.begun() || x.shape.quirk != politely || time.Since(began) > patience/2 {
			break
		}
	}
	x.done()
	return text
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// tunnel sends an extended CONNECT over HTTP/2, on a connection of its own. http.Transport itself refuses the name :protocol; the one for
// HTTP/2 that it hands its connections to does not.
func (c *clients) tunnel(r *http.Request) (*http.Response, error) {
	config := c.tunnels.TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(r.Context(), "tcp", r.URL.Host)
	if err != nil {
		return nil, err
	}
	return c.tunnels.TLSNextProto["h2"](r.URL.Host, conn.(*tls.Conn)).RoundTrip(r)
}

func attempt(x *exchange, transport http.RoundTripper, base string) string {
	ctx, leave := context.WithTimeout(context.Background(), 2*patience)
	defer leave()
	got := &got{of: x.shape}
	req, err := newRequest(got.watch(ctx), x, base)
	if err != nil {
		return "no request: " + strings.ReplaceAll(err.Error(), base, "")
	}
	if x.shape.quirk == leavesNow {
		waiting := make(chan struct{})
		defer func() { x.done(); <-waiting }()
		go func() {
			defer close(waiting)
			x.waitEntered()
			leave()
		}()
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return got.text(x.shape, nil, nil, err)
	}
	defer resp.Body.Close()
	body, err := receive(x, resp.Body, leave)
	return got.text(x.shape, resp, body, err)
}

// failed is a response that did not come, or not to its end.
const failed = "failed"

func newRequest(ctx context.Context, x *exchange, base string) (*http.Request, error) {
	s := x.shape
	target := s.target
	if s.authority() {
		target = ""
	}
	u, err := url.Parse(base + target)
	if err != nil {
		return nil, err
	}
	req := (&http.Request{Method: s.method, URL: u, Host: "localhost", Header: http.Header{tokenHeader: {x.token}}}).WithContext(ctx)
	if s.authority() {
		req.Host = s.target
	}
	for _, h := range s.header {
		name := textproto.CanonicalMIMEHeaderKey(h[0])
		req.Header[name] = append(req.Header[name], strings.Trim(h[1], " \t"))
	}
	switch {
	case s.tunnel == "":
	case s.proto == "h3":
		req.Proto = s.tunnel // as quic-go wants it
	default:
		req.Header[":protocol"] = []string{s.tunnel} // as net/http does
	}
	if s.body.pieces == nil {
		return req, nil
	}
	req.Body = io.NopCloser(&pieces{ctx: ctx, x: x, rest: slices.Clone(s.body.pieces)})
	req.ContentLength = int64(len(s.body.text()))
	if s.body.chunked {
		req.ContentLength = -1
	}
	if req.ContentLength == 0 {
		req.Body = http.NoBody
	}
	if s.body.expect {
		req.Header.Set("Expect", "100-continue")
	}
	for _, h := range s.body.trailer {
		if req.Trailer == nil {
			req.Trailer = http.Header{}
		}
		req.Trailer.Set(h[0], h[1])
	}
	return req, nil
}

// pieces is a request's body. A slow one gives a piece when the one before was read at the other end, one that takes turns when it
// was answered.
type pieces struct {
	ctx  context.Context
	x    *exchange
	rest []string
	sent int
	all  int // pieces that were sent
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) > 0 && p.rest[0] == "" {
		p.rest = p.rest[1:]
	}
	if len(p.rest) == 0 && p.x.shape.quirk == leavesHalf {
		<-p.ctx.Done() // who leaves does not say so before
		return 0, p.ctx.Err()
	}
	if len(p.rest) == 0 || p.x.shape.body.turns && !p.x.waitTurn(p.all) {
		return 0, io.EOF
	}
	if p.x.shape.body.slow && !p.x.waitRead(p.sent) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, p.rest[0])
	p.rest[0] = p.rest[0][n:]
	p.sent += n
	if p.rest[0] == "" {
		p.all++
	}
	return n, nil
}

// receive reads a body, lets the script know, and leaves if that is the client's way.
func receive(x *exchange, body io.Reader, leave func()) (all []byte, err error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		all = append(all, buf[:n]...)
		x.note(buf[:n])
		if x.shape.quirk == leavesHalf && strings.Contains(string(all), "[half]") {
			leave()
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// got is what a client learns beside the response itself.
type got struct {
	of     *shape
	mu     sync.Mutex
	before []string // informational responses
}

func (g *got) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			if code == http.StatusContinue && !g.of.direct() {
				return nil // Caddy's own, the upstream's that it passes on, or both: a race in plain Caddy too
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.before = append(g.before, fmt.Sprintf("before: %d\n%s", code, headerText(http.Header(header), changing)))
			return nil
		},
	})
}

// text is what a response says. How much of one that was cut off arrived is known only if the script waited for it.
func (g *got) text(s *shape, resp *http.Response, body []byte, err error) string {
	if err != nil && (!s.gated() || resp == nil) {
		return failed
	}
	if resp.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return failed // the refusal and the end of the connection come in either order
	}
	g.mu.Lock()
	before := slices.Clone(g.before)
	g.mu.Unlock()
	hidden := changing
	if !s.direct() {
		hidden = append(slices.Clone(changing), "Content-Length") // of a body that came in pieces, as their times fall
	}
	end := "complete"
	switch {
	case err != nil:
		end, body = "cut off", nil
	}
	lines := append(before, fmt.Sprintf("%s %d length %v", resp.Proto, resp.StatusCode, resp.ContentLength >= 0 && s.direct()),
		headerText(resp.Header, hidden), bodyText(body), "trailers\n"+headerText(resp.Trailer, nil), end)
	return strings.Join(lines, "\n")
}

// dial opens a connection of its own.
func dial(port int) (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
