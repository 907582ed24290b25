package main

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/calltap/calltap/integration/ports"
)

// detour forwards connections to an address that can be changed while it runs. The catalog names it, so the whole
// cloud can be led through calltap or around it, and both ways have it in them.
type detour struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	open   map[net.Conn]bool
}

func startDetour(target string) (*detour, error) {
	free, err := ports.Free(1)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", free[0]))
	if err != nil {
		return nil, err
	}
	d := &detour{listener: listener, target: target, open: make(map[net.Conn]bool)}
	go d.accept()
	return d, nil
}

func (d *detour) addr() string { return d.listener.Addr().String() }

// lead sends connections to target from now on. Those that clients keep open would go on to the old one, so they are cut;
// nothing may be under way.
func (d *detour) lead(target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = target
	for conn := range d.open {
		conn.Close()
	}
}

func (d *detour) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		target := d.target
		d.open[conn] = true
		d.mu.Unlock()
		go d.forward(conn, target)
	}
}

func (d *detour) forward(from net.Conn, target string) {
	defer func() {
		from.Close()
		d.mu.Lock()
		delete(d.open, from)
		d.mu.Unlock()
	}()
	to, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer to.Close()
	answered := make(chan struct{})
	go func() {
		_, _ = io.Copy(from, to)
		from.Close() // both ways end together: no client of ours half-closes
		close(answered)
	}()
	_, _ = io.Copy(to, from)
	to.Close()
	<-answered
}

func (d *detour) close() {
	d.listener.Close()
	d.lead("")
}
