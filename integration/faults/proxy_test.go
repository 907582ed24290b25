package faults

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy passes TCP on to a server, and does to it what networks do.
type proxy struct {
	net.Listener
	to string

	mu      sync.Mutex // guards everything declared below
	links   map[*link]bool
	trickle bool // new and old links pass trickleRate bytes a second
	closed  bool
}

// trickleRate is in bytes a second, in pieces of a tenth of that.
const trickleRate = 4000

// link is one connection through the proxy.
type link struct {
	client, server *net.TCPConn
	cut            bool // the next bytes of the server are the last, and not all of them arrive
	hole           bool // whatever comes is swallowed
}

func newProxy(t testing.TB, port int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: fmt.Sprintf("127.0.0.1:%d", port), links: map[*link]bool{}}
	var all sync.WaitGroup
	all.Go(func() { p.accept(&all) })
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.each(func(l *link) { l.client.Close(); l.server.Close() })
		all.Wait()
	})
	return p
}

// Port is where the proxy listens, on the loopback.
func (p *proxy) Port() int { return p.Addr().(*net.TCPAddr).Port }

func (p *proxy) accept(all *sync.WaitGroup) {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.to, time.Second)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{client: client.(*net.TCPConn), server: server.(*net.TCPConn)}
		p.mu.Lock()
		p.links[l] = true
		closed := p.closed
		p.mu.Unlock()
		if closed {
			client.Close()
			server.Close()
			return
		}
		all.Go(func() { p.pass(l, l.server, l.client); p.forget(l) })
		all.Go(func() { p.pass(l, l.client, l.server) })
	}
}

func (p *proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// each does something to all links that there are now.
func (p *proxy) each(do func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		do(l)
	}
}

// pass passes on what comes, until one of the two ends.
func (p *proxy) pass(l *link, to, from *net.TCPConn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		hole, cut, trickle := l.hole, l.cut && from == l.server, p.trickle
		p.mu.Unlock()
		switch {
		case hole:
			continue
		case cut:
			_, _ = to.Write(buf[:n-min(n, 3)]) // each frame ends with a mark, so this one ends before it should
			return
		case trickle:
			err = p.drip(to, buf[:n])
		default:
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// drip writes slowly while the proxy is to be slow.
func (p *proxy) drip(to net.Conn, b []byte) error {
	for len(b) > 0 {
		p.mu.Lock()
		slow := p.trickle && !p.closed
		p.mu.Unlock()
		n := len(b)
		if slow {
			n = min(n, trickleRate/10)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; slow {
			<-time.After(100 * time.Millisecond)
		}
	}
	return nil
}

// swallow makes all links half-open: both ends believe that they are connected, and nothing arrives. New links pass.
func (p *proxy) swallow() { p.each(func(l *link) { l.hole = true }) }

// cut ends all links in the midst of the next frame from the server.
func (p *proxy) cut() { p.each(func(l *link) { l.cut = true }) }

// reset ends all links as a firewall does that has forgotten them.
func (p *proxy) reset() {
	p.each(func(l *link) {
		_ = l.client.SetLinger(0) // so that closing sends RST
		_ = l.server.SetLinger(0)
		l.client.Close()
		l.server.Close()
	})
}

func (p *proxy) slow(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trickle = on
}
