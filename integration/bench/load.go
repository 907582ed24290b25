package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// load drives one subject over connections that stay open. It is written by hand, since net/http's
// client costs more than the request that it would measure, on the same two cores.
type load struct {
	request []byte
	conns   []*conn
}

type conn struct {
	net.Conn
	buf []byte
}

// dialLoad opens n connections to a loopback port.
func dialLoad(port, n int, request []byte) (*load, error) {
	l := &load{request: request}
	for range n {
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			l.close()
			return nil, err
		}
		l.conns = append(l.conns, &conn{Conn: c, buf: make([]byte, 8192)})
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.conns {
		c.Close()
	}
}

// run keeps every connection busy for d and gives the number of answered requests and the time
// until the last of them was answered.
func (l *load) run(d time.Duration) (int, time.Duration, error) {
	counts := make([]int, len(l.conns))
	fails := make([]error, len(l.conns))
	var wg sync.WaitGroup
	begin := time.Now()
	for i, c := range l.conns {
		wg.Go(func() {
			for time.Since(begin) < d {
				if fails[i] = c.roundTrip(l.request); fails[i] != nil {
					return
				}
				counts[i]++
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, time.Since(begin), errors.Join(fails...)
}

var (
	endOfHead     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	lowerLength   = []byte("\r\ncontent-length: ") // HAProxy's
	statusOK      = []byte("HTTP/1.1 200 ")
)

// roundTrip writes one request and reads one whole answer.
func (c *conn) roundTrip(request []byte) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	have, want := 0, -1
	for want < 0 || have < want {
		n, err := c.Read(c.buf[have:])
		if err != nil {
			return err
		}
		have += n
		if want < 0 {
			if want, err = answerLength(c.buf[:have]); err != nil {
				return err
			}
		}
		if have == len(c.buf) && have != want {
			return errors.New("answer larger than the buffer")
		}
	}
	return nil
}

// answerLength gives the size of head and body, -1 while the head is not complete.
func answerLength(b []byte) (int, error) {
	head := bytes.Index(b, endOfHead)
	if head < 0 {
		return -1, nil
	}
	if !bytes.HasPrefix(b, statusOK) {
		return 0, fmt.Errorf("not the answer of the upstream: %.60q", b)
	}
	at := max(bytes.Index(b[:head], contentLength), bytes.Index(b[:head], lowerLength))
	if at < 0 {
		return 0, errors.New("answer without Content-Length")
	}
	digits := b[at+len(contentLength) : head+2]
	digits = digits[:bytes.IndexByte(digits, '\r')]
	body, err := strconv.Atoi(string(digits))
	return head + len(endOfHead) + body, err
}

// The two requests that are measured: as small as HTTP allows, and as an OpenStack client sends it.
const (
	smallRequest = "GET /v2.1/servers/detail HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

	realisticRequest = "GET /v2.1/servers/detail HTTP/1.1\r\nHost: nova.example.org:8774\r\n" +
		"User-Agent: python-novaclient keystoneauth1/5.0.0 python-requests/2.28.1\r\n" +
		"Accept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: keep-alive\r\n" +
		"X-OpenStack-Nova-API-Version: 2.93\r\nOpenStack-API-Version: compute 2.93\r\n" +
		"X-Auth-Token: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" +
		"Forwarded: for=203.0.113.7;proto=http\r\n\r\n"
)
