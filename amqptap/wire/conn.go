package wire

import (
	"fmt"
	"net"
	"time"
)

// bufferSize is that of the receive buffer. It holds a message of two frames, the largest that is read in place,
// and otherwise some sixty of the usual 4 KB with one system call.
const bufferSize = 2 * MaxFrame

// tidyBelow is the room at the buffer's end below which what is left in it moves to the front.
const tidyBelow = bufferSize / 4

// Options are what a Conn needs to know of the consumer.
type Options struct {
	// ConsumerTag is whose deliveries are taken. Those of others go to the library.
	ConsumerTag string
	// MaxBody is how many bytes of a body are kept at least; more are kept of one that lies in the buffer as a whole.
	MaxBody int
	// Deliver gets each delivery, on the goroutine that reads the connection. While it runs nothing is read, so it
	// must neither block nor wait for the library, and it must keep nothing of the Delivery.
	Deliver func(*Delivery)
}

// Conn is the connection that amqp.Open is given. As any net.Conn of the library's it is read by one goroutine,
// and may be written to, closed and given deadlines by others at the same time.
type Conn struct {
	net.Conn // TLS or the socket: what Read reads from
	socket   *Socket
	options  Options

	buf  []byte
	r, w int    // buf[r:w] was received and not dealt with
	need int    // how many bytes from r on are needed before there is progress
	out  []byte // for the library, before anything else is read
	rest bool   // the library gets all else as it comes: what lies at r is no frame
	err  error  // the last that Read returns

	maxFrame int
	channel  uint16 // the consumer's, once it is known
	consumes bool   // it is known
	d        Delivery
	parts    parts
}

// New makes a Conn that reads through conn, which is the socket itself or TLS on top of it.
func New(conn net.Conn, socket *Socket, o Options) *Conn {
	return &Conn{Conn: conn, socket: socket, options: o, buf: make([]byte, bufferSize), maxFrame: MaxFrame}
}

// SetReadDeadline does nothing: see Socket.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.socket.SetDeadline(t) }

// Read gives the library the frames that are its own, and delivers those that are the consumer's meanwhile. It returns with one
// frame, or a part of it if p is shorter.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		switch {
		case len(c.out) > 0:
			n := copy(p, c.out)
			c.out = c.out[n:]
			return n, nil
		case c.err != nil:
			return 0, c.err
		case c.rest:
			return c.Conn.Read(p)
		}
		c.work()
		if len(c.out) == 0 && c.err == nil && !c.rest {
			c.fill()
		}
	}
}

// fill reads more. Before, it makes room for what is needed, which never is more than the buffer holds.
func (c *Conn) fill() {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.r > 0 && (c.r+c.need > len(c.buf) || len(c.buf)-c.w < tidyBelow) {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	if n == 0 {
		c.err = err // else it comes again
	}
}

// work deals with the frames in the buffer, up to the first that is the library's.
func (c *Conn) work() {
	for c.err == nil && len(c.out) == 0 {
		f, s, need := readFrame(c.buf[c.r:c.w], c.maxFrame)
		switch {
		case s == short:
			c.need = need
			return
		case s == wrong:
			c.out, c.rest = c.buf[c.r:c.w], true
			return
		case f.kind == frameMethod:
			if !c.method(&f) {
				return
			}
		case f.kind != frameHeartbeat && c.parts.open && f.channel == c.channel:
			c.r += f.size
			c.part(&f)
		default:
			c.pass(&f)
		}
	}
}

// pass gives a frame to the library. It stays in the buffer until it is read.
func (c *Conn) pass(f *frame) {
	c.out = c.buf[c.r : c.r+f.size]
	c.r += f.size
}

// method takes the methods that concern the consumer. It returns false if more bytes are needed.
func (c *Conn) method(f *frame) bool {
	m := f.method()
	if m == basicDeliver && c.consumes && f.channel == c.channel {
		return c.deliver(f)
	}
	switch m {
	case connectionTune:
		c.tune(f.payload)
	case basicConsumeOk:
		body := cursor{b: f.payload[4:]}
		if body.shortstr() == c.options.ConsumerTag && !body.bad {
			c.channel, c.consumes = f.channel, true
		}
	}
	if c.parts.open && f.channel == c.channel {
		c.parts.reset() // such as channel.close: it ends what came before, and the library must see it
	}
	c.pass(f)
	return true
}

// tune notes the frame size, as the library will settle it with the broker.
func (c *Conn) tune(payload []byte) {
	body := cursor{b: payload[4:]}
	body.short() // channels
	if n := body.long(); !body.bad && n > 0 && n < MaxFrame {
		c.maxFrame = max(int(n), minMaxFrame)
	}
}

// deliver takes a delivery, if it lies in the buffer as a whole: a method, a header and at most one frame of body. If it is
// about to, it waits for the rest; else it takes it in parts. It returns false if more bytes are needed.
func (c *Conn) deliver(f *frame) bool {
	if c.parts.open {
		c.fail("basic.deliver within the content of another")
		return false
	}
	d := &c.d
	tag, ok := d.readDeliver(f.payload)
	if !ok {
		c.fail("basic.deliver is longer than its frame")
		return false
	}
	if tag != c.options.ConsumerTag {
		c.pass(f)
		return true
	}
	at := f.size
	header, s, need := readFrame(c.buf[c.r+at:c.w], c.maxFrame)
	if s != whole {
		return c.wait(f, s, at+need)
	}
	if header.kind != frameHeader || header.channel != c.channel {
		c.begin(f)
		return true
	}
	if !d.readHeader(header.payload) {
		c.fail("the content header of a delivery is wrong")
		return false
	}
	at += header.size
	d.Body = nil
	if d.Size > 0 {
		body, s, need := readFrame(c.buf[c.r+at:c.w], c.maxFrame)
		if s != whole {
			return c.wait(f, s, at+need)
		}
		if body.kind != frameBody || body.channel != c.channel || uint64(len(body.payload)) != d.Size {
			c.begin(f)
			return true
		}
		at += body.size
		d.Body = body.payload
	}
	c.r += at
	c.hand()
	return true
}

// wait returns false to wait for the rest of a delivery. If that will never lie in the buffer as a whole it is taken in
// parts, as it is if what follows is no frame, which the library will then meet.
func (c *Conn) wait(f *frame, s state, need int) bool {
	if s == wrong || need > len(c.buf) {
		c.begin(f)
		return true
	}
	c.need = need
	return false
}

// hand gives c.d away.
func (c *Conn) hand() {
	c.d.Received = c.socket.Received()
	c.options.Deliver(&c.d)
}

// fail ends the connection. What is wrong is said without quoting what came.
func (c *Conn) fail(what string) {
	c.err = fmt.Errorf("the broker sent what is not AMQP: %s", what)
}
