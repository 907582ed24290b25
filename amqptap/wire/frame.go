package wire

import "encoding/binary"

// Frames, section 4.2.3 of the specification:
//
//	0      1         3             7                  size+7 size+8
//	+------+---------+-------------+  +------------+  +-----------+
//	| type | channel |     size    |  |  payload   |  | frame-end |
//	+------+---------+-------------+  +------------+  +-----------+
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE

	frameHead     = 7 // bytes before the payload
	frameOverhead = 8 // with those after it
)

// Methods, as class and method number.
const (
	connectionTune = 10<<16 | 30
	basicConsumeOk = 60<<16 | 21
	basicDeliver   = 60<<16 | 60
	classBasic     = 60
)

// MaxFrame is the largest frame that a Conn takes, with its overhead: RabbitMQ's own default. What
// amqp091-go negotiates must not be above it (Config.FrameSize).
const MaxFrame = 128 << 10

// minMaxFrame is the frame size that all peers must take, and that stands until another is negotiated.
const minMaxFrame = 4096

// frame is one frame in the buffer.
type frame struct {
	kind    byte
	channel uint16
	payload []byte
	size    int // in the buffer, overhead included
}

// state of the bytes at which a frame is looked for.
type state uint8

const (
	whole state = iota
	short       // more bytes are needed
	wrong       // no frame: type, size or end octet
)

// readFrame reads the frame that b begins with. If it is short, need is how many bytes are known to be needed.
func readFrame(b []byte, maxFrame int) (f frame, s state, need int) {
	if len(b) < frameHead {
		return f, short, frameHead
	}
	switch b[0] {
	case frameMethod, frameHeader, frameBody, frameHeartbeat:
	default:
		return f, wrong, 0
	}
	n := binary.BigEndian.Uint32(b[3:])
	if uint64(n)+frameOverhead > uint64(maxFrame) {
		return f, wrong, 0
	}
	size := int(n) + frameOverhead
	if len(b) < size {
		return f, short, size
	}
	if b[size-1] != frameEnd {
		return f, wrong, 0
	}
	return frame{kind: b[0], channel: binary.BigEndian.Uint16(b[1:]), payload: b[frameHead : size-1], size: size}, whole, 0
}

// method is a method frame's class and method number, 0 if it has none.
func (f *frame) method() uint32 {
	if f.kind != frameMethod || len(f.payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload)
}

// cursor reads the fields of a frame's payload. Once it ran over the end it is bad, and gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) octet() byte {
	if v := c.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) short() uint16 {
	if v := c.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) long() uint32 {
	if v := c.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (c *cursor) longlong() uint64 {
	if v := c.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (c *cursor) shortstr() string { return text(c.take(int(c.octet()))) }

func (c *cursor) table() Table {
	n := c.long()
	if uint64(n) > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	return Table(c.take(int(n)))
}
