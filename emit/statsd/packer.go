package statsd

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The reasons for which this emitter drops spans, beside emit.DroppedShutdown.
const (
	DroppedUnresolved = "unresolved" // the server's name has no address
	DroppedRefused    = "refused"    // nobody listens there
	DroppedWrite      = "write"      // the kernel would not send
)

// packer is the Sender under go-statsd-client: it packs lines into datagrams and writes each to the
// socket when the next line does not fit. It remembers how many spans began in the open datagram, so
// that one that is lost can be told in spans.
//
// It is used by the emitter's one goroutine, and its errors are gathered in the batch's books instead
// of being returned: the client would hand them to a caller that has long moved on.
type packer struct {
	conn    *net.UDPConn // nil: nothing can be sent
	limit   int
	buf     []byte
	spans   int // that began in buf
	dropped map[string]int
	err     error
}

// sendTimeout bounds one datagram. A UDP socket blocks only while its send buffer is full.
const sendTimeout = time.Second

// begin starts a batch.
func (p *packer) begin(conn *net.UDPConn, limit int) {
	p.conn, p.limit = conn, limit
	p.buf, p.spans, p.dropped, p.err = p.buf[:0], 0, nil, nil
}

// Send adds a line. It implements go-statsd-client's Sender.
func (p *packer) Send(line []byte) (int, error) {
	if len(p.buf) > 0 && len(p.buf)+1+len(line) > p.limit {
		p.flush()
	}
	if len(p.buf) > 0 {
		p.buf = append(p.buf, '\n')
	}
	p.buf = append(p.buf, line...)
	return len(line), nil
}

// Close is for the Sender interface; the socket belongs to the resolver.
func (p *packer) Close() error { return nil }

// flush sends the open datagram and settles the spans that began in it.
func (p *packer) flush() {
	if len(p.buf) > 0 {
		if reason, err := p.write(); err != nil {
			p.err = err
			if p.spans > 0 {
				if p.dropped == nil {
					p.dropped = map[string]int{}
				}
				p.dropped[reason] += p.spans
			}
		}
	}
	p.buf, p.spans = p.buf[:0], 0
}

// write sends the datagram. "Connection refused" speaks of an earlier one and keeps this one from
// being sent; it is sent once more, in case the server has come back. It counts as lost all the same,
// in place of the one that was.
func (p *packer) write() (reason string, err error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = p.conn.Write(p.buf)
	if errors.Is(err, syscall.ECONNREFUSED) {
		_, _ = p.conn.Write(p.buf)
		return DroppedRefused, fmt.Errorf("statsd: nobody listens at %s", p.conn.RemoteAddr())
	}
	if err != nil {
		return DroppedWrite, fmt.Errorf("statsd: sending to %s: %w", p.conn.RemoteAddr(), err)
	}
	return "", nil
}
