package wire

// keptBody is how much memory is kept for the next body that comes in parts.
const keptBody = 1 << 20

// parts is a delivery that does not lie in the buffer as a whole: its body is cut into frames, or other frames lie
// between its own. Its frames are copied here one by one.
type parts struct {
	open   bool   // a delivery has begun
	headed bool   // its header is here
	method []byte // payloads
	header []byte
	body   []byte
	size   uint64 // of the body, so far
}

func (p *parts) reset() {
	p.open, p.headed, p.size = false, false, 0
	if p.body = p.body[:0]; cap(p.body) > keptBody {
		p.body = nil
	}
}

// begin takes the method.
func (c *Conn) begin(f *frame) {
	c.parts.reset()
	c.parts.open = true
	c.parts.method = append(c.parts.method[:0], f.payload...)
	c.r += f.size
}

// part takes a header or a body frame.
func (c *Conn) part(f *frame) {
	p := &c.parts
	switch {
	case f.kind == frameHeader && !p.headed:
		p.header = append(p.header[:0], f.payload...)
		p.headed = true
		if !c.d.readHeader(p.header) {
			c.fail("the content header of a delivery is wrong")
			return
		}
	case f.kind == frameBody && p.headed:
		p.size += uint64(len(f.payload))
		p.keep(f.payload, c.options.MaxBody)
	default:
		c.fail("header and body of a delivery are not in order")
		return
	}
	switch {
	case p.size > c.d.Size:
		c.fail("a body is larger than its header says")
	case p.size == c.d.Size:
		c.complete()
	}
}

// keep appends a part of the body, up to limit in all.
func (p *parts) keep(b []byte, limit int) {
	p.body = append(p.body, b[:min(len(b), max(limit-len(p.body), 0))]...)
}

// complete hands over what was gathered.
func (c *Conn) complete() {
	c.d.readDeliver(c.parts.method) // it was read well before
	c.d.Body = c.parts.body
	c.hand()
	c.parts.reset()
}
