package zipkin

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync/atomic"

	"github.com/calltap/calltap/span"
)

// Bounds of one POST. Zipkin itself takes more; collectors and proxies on the way often do not.
const (
	maxSpans = 1000
	maxBytes = 1 << 20 // of JSON, before compression
)

// body builds the body of one POST after the other in the same memory.
//
// The transport may still read a body after Do has returned, when the server answered early or the
// attempt timed out; it closes the body when it has done. So the readers in use are counted, and as
// long as there is one the memory is left to it and new memory taken.
type body struct {
	plain  []byte
	packed bytes.Buffer
	zip    *gzip.Writer
	users  *atomic.Int32
}

// encode returns the JSON array of the first n spans, compressed if so wished. It holds at least one
// span: Valid bounds them far below a body's size.
func (b *body) encode(spans []span.Span, compress bool) (data []byte, n int) {
	if b.users == nil || b.users.Load() != 0 {
		b.plain, b.packed, b.users = nil, bytes.Buffer{}, new(atomic.Int32)
	}
	b.plain = append(b.plain[:0], '[')
	for n < len(spans) && n < maxSpans {
		before := len(b.plain)
		if n > 0 {
			b.plain = append(b.plain, ',')
		}
		b.plain = spans[n].AppendJSON(b.plain)
		if len(b.plain) >= maxBytes && n > 0 {
			b.plain = b.plain[:before]
			break
		}
		n++
	}
	b.plain = append(b.plain, ']')
	if compress {
		return b.compress(), n
	}
	return b.plain, n
}

// compress packs for speed: spans are so alike that the best level saves little more than the
// fastest, and it is paid on the processors that serve the operator's users.
func (b *body) compress() []byte {
	b.packed.Reset()
	if b.zip == nil {
		b.zip, _ = gzip.NewWriterLevel(&b.packed, gzip.BestSpeed) // fails on a wrong level only
	} else {
		b.zip.Reset(&b.packed)
	}
	_, _ = b.zip.Write(b.plain) // a bytes.Buffer takes everything
	_ = b.zip.Close()
	return b.packed.Bytes()
}

// reader returns a body for one attempt.
func (b *body) reader(data []byte) io.ReadCloser {
	b.users.Add(1)
	return &reader{Reader: bytes.NewReader(data), users: b.users}
}

type reader struct {
	*bytes.Reader
	users  *atomic.Int32
	closed atomic.Bool
}

func (r *reader) Close() error {
	if r.closed.CompareAndSwap(false, true) {
		r.users.Add(-1)
	}
	return nil
}
