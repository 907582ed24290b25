package caddymodule

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// writer notes what becomes of a response and changes nothing of it. Each call goes to the writer
// beneath, which net/http or Caddy made, in the form in which it came.
//
// It is a part of carrier and never used again: a handler that writes after its request has ended
// reaches that request's own writer, as it would without us, and never another client's.
type writer struct {
	inner    http.ResponseWriter
	reply    *reply  // nil: the response does not tell the trace id
	stream   *stream // nil: the response ends with its body
	size     int64   // bytes of the body, as far as the writer beneath took them
	status   uint16  // of the final response; 0: none was sent yet
	failed   bool    // a write or flush did
	cut      bool    // the first to fail did so because the client had closed its side
	hijacked bool
	flushed  bool
	tunnel   bool // the client asks for another protocol on its stream
}

// Header returns the map of the writer beneath.
func (w *writer) Header() http.Header { return w.inner.Header() }

// WriteHeader notes code unless it is informational. The first final one counts, since net/http
// ignores all others. It may panic, as net/http's does over an impossible code; then nothing is noted.
func (w *writer) WriteHeader(code int) {
	if w.reply != nil && w.status == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.tellTrace()
	}
	w.inner.WriteHeader(code)
	if w.status == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.status = uint16(code)
	}
}

// Write passes p on. Even an empty p sends the header, with an implicit 200.
func (w *writer) Write(p []byte) (int, error) {
	w.sending()
	n, err := w.inner.Write(p)
	w.size += int64(n)
	w.sent(err)
	return n, err
}

// WriteString is for io.WriteString, which would copy the string otherwise.
func (w *writer) WriteString(s string) (int, error) {
	w.sending()
	n, err := io.WriteString(w.inner, s)
	w.size += int64(n)
	w.sent(err)
	return n, err
}

// ReadFrom keeps sendfile and splice, which io.Copy finds by this method.
func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	w.sending()
	var n int64
	var err error
	if rf, ok := w.inner.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(src)
	} else {
		n, err = io.Copy(w.inner, src)
	}
	w.size += n
	if n > 0 || err != nil {
		w.sent(err)
	}
	return n, err
}

// sending is called before what sends the header if that was not sent.
func (w *writer) sending() {
	if w.reply != nil && w.status == 0 {
		w.tellTrace()
	}
}

// sent notes that something went out, and so the header before it.
func (w *writer) sent(err error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if err != nil && !w.failed {
		w.failed, w.cut = true, brokenPipe(err)
	}
}

// FlushError is what http.ResponseController looks for first. A flush sends the header.
func (w *writer) FlushError() error {
	w.sending()
	err := http.NewResponseController(w.inner).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		w.sent(err)
		if !w.flushed {
			w.opens()
		}
	}
	return err
}

// flusher is for a writer beneath that implements http.Flusher, which handlers may assert instead of
// using http.ResponseController. Caddy's own writers mostly do not, and then neither must ours. As an
// interface it is the pointer in it, and no allocation.
type flusher struct{ *carrier }

// Flush implements http.Flusher.
func (f flusher) Flush() { _ = f.FlushError() }

// Hijack hands the connection over. What passes on it is counted, not looked at.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.inner).Hijack()
	if err == nil {
		w.hijacked = true
		conn = w.handOver(conn, buf)
	}
	return conn, buf, err
}

// Push starts an HTTP/2 push if the writer beneath can.
func (w *writer) Push(target string, opts *http.PushOptions) error {
	if pusher, ok := w.inner.(http.Pusher); ok {
		return pusher.Push(target, opts)
	}
	return caddyhttp.ErrNotImplemented
}

// Unwrap leads http.ResponseController to everything else, deadlines and full duplex.
func (w *writer) Unwrap() http.ResponseWriter { return w.inner }

// brokenPipe reports whether writing failed because the client had closed its side, which can be
// known before net/http cancels the request's context.
func brokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) && isWrite(err)
}

// isWrite tells a reset of the client's connection from one of the upstream's, both of which io.Copy returns.
func isWrite(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "write"
}

// Interface guards
var (
	_ http.ResponseWriter = (*writer)(nil)
	_ http.Flusher        = flusher{}
	_ http.Hijacker       = (*writer)(nil)
	_ http.Pusher         = (*writer)(nil)
	_ io.ReaderFrom       = (*writer)(nil)
	_ io.StringWriter     = (*writer)(nil)
)
