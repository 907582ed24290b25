package main

import (
	"bytes"
	"net"
	"sync"
)

const upstreamAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Length: 15\r\n\r\n{\"servers\": []}"

// upstream is the API behind the proxy: the least that can answer a GET, so that the subject and not
// the answer is measured.
type upstream struct {
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
}

func startUpstream() (*upstream, error) {
	l, err := listenLow()
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: l, conns: map[net.Conn]struct{}{}}
	u.wg.Go(u.accept)
	return u, nil
}

func (u *upstream) addr() string { return u.listener.Addr().String() }

func (u *upstream) accept() {
	for {
		c, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[c] = struct{}{}
		u.mu.Unlock()
		u.wg.Go(func() { u.serve(c) })
	}
}

// serve answers one request after the other. Requests have no body and are not pipelined, since the
// proxy sends the next one only after the answer.
func (u *upstream) serve(c net.Conn) {
	defer c.Close()
	buf, have := make([]byte, 8192), 0
	for have < len(buf) {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		if !bytes.HasSuffix(buf[:have], endOfHead) {
			continue
		}
		have = 0
		if _, err := c.Write([]byte(upstreamAnswer)); err != nil {
			return
		}
	}
}

func (u *upstream) close() {
	u.listener.Close()
	u.mu.Lock()
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}
