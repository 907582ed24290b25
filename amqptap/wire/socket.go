package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// waited is how long a read takes that had to wait. One that finds bytes copies them, which takes less.
	waited = 100 * time.Microsecond
	// soon is how shortly after a socket was found empty it still counts as empty.
	soon = time.Millisecond
)

// Socket is the lowest layer, beneath TLS: a net.Conn that knows when its bytes came, and notices when none come any more.
//
// amqp091-go sets a read deadline after each frame that it sees. It does not see deliveries, and a broker that is busy
// delivering sends no heartbeats, so that deadline would end a connection that is doing well. The Socket
// sets one of its own before each read, and hides SetReadDeadline from the library.
type Socket struct {
	net.Conn
	bytes *atomic.Int64 // read so far, of all connections that share it; may be nil

	mu    sync.Mutex // guards what follows, and the connection's read deadline
	dead  time.Duration
	limit time.Time // from SetDeadline: no read ends later; zero is none

	// Of the last read; used by the goroutine that reads.
	ended    time.Time
	received int64 // that in Unix microseconds
	drained  bool  // it took all there was
	caughtUp func(now int64)
}

// NewSocket wraps a connection of which nothing was read yet. bytes, which may be nil, counts what is read.
func NewSocket(c net.Conn, bytes *atomic.Int64) *Socket { return &Socket{Conn: c, bytes: bytes} }

// Expect makes reads fail when nothing has come for one and a half heartbeats, with a second's grace or half a heartbeat's
// if that is less. The broker sends something, if only a heartbeat, every half of one. Zero is no limit.
func (s *Socket) Expect(heartbeat time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = heartbeat + heartbeat/2 + min(heartbeat/2, time.Second)
	s.arm()
}

// OnCaughtUp sets what is called, by the goroutine that reads, when what is read next will be fresh: the socket was found empty,
// at the time given in Unix microseconds, and all that had come before is dealt with. That it was empty is known of a read
// that took less than it might have, or waited; not so if the reader then took a millisecond for what it had read. It must be
// set before the first read.
func (s *Socket) OnCaughtUp(f func(now int64)) { s.caughtUp = f }

// Received is when the last read returned, in Unix microseconds. What that read brought came between then and the
// return of the read before it; the later messages of a large read are thus not told from the
// earlier. While the reader keeps up that is less than a millisecond. Only the goroutine that reads may ask.
func (s *Socket) Received() int64 { return s.received }

// Read implements net.Conn.
func (s *Socket) Read(p []byte) (int, error) {
	began := time.Now()
	if s.drained && began.Sub(s.ended) < soon {
		s.tell() // what was read is worked off, or nobody would ask for more
	}
	s.mu.Lock()
	s.armAt(began)
	s.mu.Unlock()
	n, err := s.Conn.Read(p)
	s.ended = time.Now()
	s.received, s.drained = s.ended.UnixMicro(), n < len(p)
	if s.drained && s.ended.Sub(began) >= waited {
		s.tell()
	}
	if s.bytes != nil {
		s.bytes.Add(int64(n))
	}
	return n, s.explain(err)
}

func (s *Socket) tell() {
	if s.caughtUp != nil {
		s.caughtUp(s.received)
	}
}

// explain makes an error for an operator of a deadline that is ours.
func (s *Socket) explain(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == 0 || !s.limit.IsZero() {
		return err
	}
	return fmt.Errorf("nothing came from the broker for %v, not even a heartbeat: %w", s.dead, err)
}

// SetDeadline bounds all reads and writes, as during the handshake and at the end. The zero time lifts it.
func (s *Socket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = t
	if err := s.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	s.arm()
	return nil
}

func (s *Socket) arm() { s.armAt(time.Now()) }

// armAt sets the deadline of a read that begins now, or is going on. An error means that the connection is closed, as
// the read will tell.
func (s *Socket) armAt(now time.Time) {
	end := s.limit
	if s.dead > 0 {
		if d := now.Add(s.dead); end.IsZero() || d.Before(end) {
			end = d
		}
	}
	_ = s.Conn.SetReadDeadline(end)
}

// SetReadDeadline does nothing: see Socket.
func (s *Socket) SetReadDeadline(time.Time) error { return nil }
