package caddymodule

import (
	"io"
	"net/http"
	"sync/atomic"
)

// bodyCount counts the bytes of a request body as the next handler reads them. It reads nothing by itself.
//
// The transport of reverse_proxy reads on another goroutine, which may outlive the response: hence atomic.
type bodyCount struct {
	io.ReadCloser
	n    atomic.Int64
	fate atomic.Uint32 // what bodyOver and the like say
}

// What became of a body.
const (
	bodyOver   uint32 = 1 << iota // it was read to its end, or closed
	bodySpent                     // somebody wanted more of it after that
	bodyBroken                    // it could not be read: the client broke off
)

// Read reads from the original body.
func (b *bodyCount) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	switch {
	case err == nil:
	case b.is(bodyOver):
		b.fate.Or(bodySpent)
	case err == io.EOF:
		b.fate.Or(bodyOver)
	default:
		b.fate.Or(bodyBroken)
	}
	return n, err
}

// Close closes the original body.
func (b *bodyCount) Close() error {
	b.fate.Or(bodyOver)
	return b.ReadCloser.Close()
}

// is reports whether any of that is so. A nil body is none of it.
func (b *bodyCount) is(fate uint32) bool { return b != nil && b.fate.Load()&fate != 0 }

// countBody has the body of r counted, if there is one: a request without costs nothing.
func (q *request) countBody(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	q.received = &bodyCount{ReadCloser: r.Body}
	r.Body = q.received
}

// sizes are the bytes that came from the client and went to it: of bodies, or of the connection that was handed over.
func (q *request) sizes() (in, out int64) {
	if q.received != nil {
		in = q.received.n.Load()
	}
	if q.method != http.MethodHead { // net/http takes what the handler writes, and sends none of it
		out = q.size
	}
	if q.stream != nil {
		in += q.stream.in.Load()
		out += q.stream.out.Load()
	}
	return in, out
}
