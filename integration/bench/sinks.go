package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// webSink receives what tracers post and counts the spans in it. It does the least work that still
// proves the arrival, since it shares the cores with the subject.
type webSink struct {
	spans, posts, bytes atomic.Int64

	listener net.Listener
	server   *http.Server
	count    func(body []byte) int
}

// startWebSink listens on a loopback port; count tells the spans of one uncompressed body.
func startWebSink(count func([]byte) int) (*webSink, error) {
	l, err := listenLow()
	if err != nil {
		return nil, err
	}
	s := &webSink{listener: l, count: count}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

func (s *webSink) url(path string) string { return "http://" + s.listener.Addr().String() + path }
func (s *webSink) close()                 { _ = s.server.Close() }

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *webSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = z
	}
	if _, err := body.ReadFrom(from); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.spans.Add(int64(s.count(body.Bytes())))
	s.posts.Add(1)
	s.bytes.Add(int64(body.Len()))
	if r.Header.Get("Content-Type") == "application/x-protobuf" {
		w.Header().Set("Content-Type", "application/x-protobuf") // an empty message is "all accepted"
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// zipkinSpans counts the spans of a Zipkin v2 JSON list: each has one traceId.
func zipkinSpans(body []byte) int { return bytes.Count(body, []byte(`"traceId":`)) }

// statsdSink counts the timers that reach a UDP port.
type statsdSink struct {
	timers, counters atomic.Int64

	conn *net.UDPConn
	done chan struct{}
}

func startStatsdSink() (*statsdSink, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(8 << 20) // a burst must not be lost on the way to the count
	s := &statsdSink{conn: c, done: make(chan struct{})}
	go s.read()
	return s, nil
}

func (s *statsdSink) addr() string { return s.conn.LocalAddr().String() }

func (s *statsdSink) close() {
	s.conn.Close()
	<-s.done
}

func (s *statsdSink) read() {
	defer close(s.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		s.timers.Add(int64(bytes.Count(buf[:n], []byte("|ms"))))
		s.counters.Add(int64(bytes.Count(buf[:n], []byte("|c"))))
	}
}

// blackHole accepts connections and never answers: the worst way for a Zipkin to be ill.
type blackHole struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	done     chan struct{}
}

func startBlackHole() (*blackHole, error) {
	l, err := listenLow()
	if err != nil {
		return nil, err
	}
	b := &blackHole{listener: l, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
		}
	}()
	return b, nil
}

func (b *blackHole) url(path string) string { return "http://" + b.listener.Addr().String() + path }

func (b *blackHole) close() {
	b.listener.Close()
	<-b.done
	for _, c := range b.conns {
		c.Close()
	}
}

// listenLow listens on a loopback port below the ephemeral range.
func listenLow() (net.Listener, error) {
	var last error
	for range 50 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l, nil
		}
		last = err
	}
	return nil, last
}
