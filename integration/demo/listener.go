package main

import (
	"net"
	"slices"
	"strings"
	"sync"
)

// listener stands in for a StatsD server: it keeps the lines as they come.
type listener struct {
	conn net.PacketConn
	done chan struct{}

	mu    sync.Mutex // guards lines
	lines []string
}

func listen() (*listener, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{conn: conn, done: make(chan struct{})}
	go l.read()
	return l, nil
}

func (l *listener) read() {
	defer close(l.done)
	buf := make([]byte, 64<<10)
	for {
		n, _, err := l.conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		l.mu.Lock()
		l.lines = append(l.lines, strings.Fields(string(buf[:n]))...)
		l.mu.Unlock()
	}
}

func (l *listener) addr() string { return l.conn.LocalAddr().String() }

// received returns the lines so far, sorted.
func (l *listener) received() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.lines))
}

func (l *listener) close() {
	l.conn.Close()
	<-l.done
}
