package caddymodule

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/span"
)

// Notes of a response that lives on after its header. As every note they are counters too: KEY.upgraded, KEY.streaming, KEY.closed.
const (
	noteUpgraded  = "upgraded"  // the connection belongs to another protocol, such as WebSocket
	noteStreaming = "streaming" // the first event of an event stream, or its header, went out
	noteClosed    = "closed"
)

// stream is a response that lives on after its header: another protocol on the connection, or server-sent events. Its
// span ends when it does.
type stream struct {
	note    string
	opened  time.Duration // monotonic
	closed  atomic.Int64  // monotonic: the server's side of a connection that was handed over; 0: with the request
	in, out atomic.Int64  // bytes of such a connection
}

// opens notes the beginning of a stream. It is called at the first flush of a response: streams flush, others seldom do.
func (w *writer) opens() {
	w.flushed = true
	switch {
	case w.tunnel && w.status/100 == 2:
		w.stream = &stream{note: noteUpgraded, opened: monotonic()}
	case strings.HasPrefix(first(w.inner.Header()["Content-Type"]), "text/event-stream"):
		w.stream = &stream{note: noteStreaming, opened: monotonic()}
	}
}

// isTunnel reports whether r asks for another protocol on its stream, as a WebSocket over HTTP/2 (RFC 8441) and HTTP/3
// (RFC 9220) does. Over HTTP/1 the connection is hijacked instead.
func isTunnel(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.ProtoMajor >= 2 && (r.Header[":protocol"] != nil || r.ProtoMajor == 3 && r.Proto != "HTTP/3.0")
}

// handOver counts what passes on a connection that a handler takes over. Caddy's access log does it the same way; the
// reader and writer that come with the connection go through it too.
func (w *writer) handOver(conn net.Conn, buf *bufio.ReadWriter) net.Conn {
	w.stream = &stream{note: noteUpgraded, opened: monotonic()}
	counted := &countedConn{Conn: conn, stream: w.stream}
	var outer net.Conn = counted
	if _, ok := conn.(halfCloser); ok {
		outer = halfClosing{counted}
	}
	if buf == nil {
		return outer
	}
	buf.Writer.Reset(outer)
	n := buf.Reader.Buffered()
	if n == 0 {
		buf.Reader.Reset(outer)
		return outer
	}
	early, _ := buf.Reader.Peek(n)
	w.stream.in.Add(int64(n))
	buf.Reader.Reset(io.MultiReader(bytes.NewReader(bytes.Clone(early)), outer))
	_, _ = buf.Reader.Peek(n) // who looks at Buffered finds them again
	return outer
}

// halfCloser is a connection one side of which can be closed, which ends a direction of a tunnel.
type halfCloser interface{ CloseWrite() error }

// countedConn is a connection that a handler has taken over.
type countedConn struct {
	net.Conn
	stream *stream
}

// Read counts what came from the client.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.stream.in.Add(int64(n))
	return n, err
}

// Write counts what went to the client.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.stream.out.Add(int64(n))
	return n, err
}

// ReadFrom keeps splice, which io.Copy finds by this method.
func (c *countedConn) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(c.Conn, src)
	c.stream.out.Add(n)
	return n, err
}

// WriteTo is the same for the other direction.
func (c *countedConn) WriteTo(dst io.Writer) (int64, error) {
	n, err := io.Copy(dst, c.Conn)
	c.stream.in.Add(n)
	return n, err
}

// Close notes when it was first called.
func (c *countedConn) Close() error {
	c.stream.closed.CompareAndSwap(0, int64(monotonic()))
	return c.Conn.Close()
}

// NetConn returns the connection beneath, as tls.Conn's does.
func (c *countedConn) NetConn() net.Conn { return c.Conn }

// halfClosing is a countedConn for a connection that is a halfCloser: who cannot close a side must not seem to.
type halfClosing struct{ *countedConn }

// CloseWrite closes the side that writes.
func (c halfClosing) CloseWrite() error { return c.Conn.(halfCloser).CloseWrite() }

// notes are when a stream began and ended.
func (s *stream) notes(notes []span.Note, start moment, took time.Duration) []span.Note {
	end := took
	if at := s.closed.Load(); at != 0 {
		end = min(time.Duration(at)-start.mono, took)
	}
	return append(notes,
		span.Note{Time: start.wall + (s.opened - start.mono).Microseconds(), Value: s.note},
		span.Note{Time: start.wall + end.Microseconds(), Value: noteClosed})
}

// Interface guards
var (
	_ io.ReaderFrom = (*countedConn)(nil)
	_ io.WriterTo   = (*countedConn)(nil)
	_ halfCloser    = halfClosing{}
)
