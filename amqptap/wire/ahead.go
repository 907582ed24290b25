package wire

import (
	"bufio"
	"net"
	"time"
)

// readAhead is how much is read at once for a library that reads everything itself: some fifteen messages of the usual 4 KB. The
// library reads at most 4 KB at once, so that a message would be two system calls.
const readAhead = 64 << 10

// Ahead is the connection that amqp.Open is given if the library is to read the deliveries as well.
//
// It is no net.Conn, for it has no read deadline to set: where there is one the library does so after each frame, three to a message, by way of
// another goroutine. The Socket sets its own.
type Ahead struct {
	conn   net.Conn // TLS or the socket
	socket *Socket
	buf    *bufio.Reader
}

// NewAhead makes an Ahead that reads through conn, which is the socket itself or TLS on top of it.
func NewAhead(conn net.Conn, socket *Socket) *Ahead {
	return &Ahead{conn: conn, socket: socket, buf: bufio.NewReaderSize(conn, readAhead)}
}

// Read implements io.Reader.
func (a *Ahead) Read(p []byte) (int, error) { return a.buf.Read(p) }

// Write implements io.Writer.
func (a *Ahead) Write(p []byte) (int, error) { return a.conn.Write(p) }

// Close implements io.Closer.
func (a *Ahead) Close() error { return a.conn.Close() }

// SetDeadline bounds all reads and writes. The library lifts it when it has opened the connection.
func (a *Ahead) SetDeadline(t time.Time) error { return a.socket.SetDeadline(t) }
