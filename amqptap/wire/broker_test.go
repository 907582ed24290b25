package wire

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tag = "me"

// encoder writes what brokers send, and what no broker should.
type encoder struct{ b []byte }

func (e *encoder) frame(kind byte, channel uint16, payload []byte) *encoder {
	e.b = append(e.b, kind)
	e.b = binary.BigEndian.AppendUint16(e.b, channel)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(len(payload)))
	e.b = append(append(e.b, payload...), frameEnd)
	return e
}

// method writes a method frame. Its arguments are strings, written as short ones, and integers.
func (e *encoder) method(channel uint16, id uint32, args ...any) *encoder {
	p := binary.BigEndian.AppendUint32(nil, id)
	for _, a := range args {
		switch v := a.(type) {
		case string:
			p = append(append(p, byte(len(v))), v...)
		case uint8:
			p = append(p, v)
		case uint16:
			p = binary.BigEndian.AppendUint16(p, v)
		case uint32:
			p = binary.BigEndian.AppendUint32(p, v)
		case uint64:
			p = binary.BigEndian.AppendUint64(p, v)
		case []byte:
			p = append(binary.BigEndian.AppendUint32(p, uint32(len(v))), v...)
		}
	}
	return e.frame(frameMethod, channel, p)
}

func (e *encoder) deliver(channel uint16, consumer string, n uint64) *encoder {
	return e.method(channel, basicDeliver, consumer, n, uint8(n&1), "exchange", "key.of.it")
}

func (e *encoder) header(channel uint16, size uint64, flags uint16, properties []byte) *encoder {
	p := binary.BigEndian.AppendUint16(nil, classBasic)
	p = binary.BigEndian.AppendUint16(p, 0)
	p = binary.BigEndian.AppendUint64(p, size)
	p = binary.BigEndian.AppendUint16(p, flags)
	return e.frame(frameHeader, channel, append(p, properties...))
}

// headers writes a content header with nothing but a table.
func (e *encoder) headers(channel uint16, size uint64, table []byte) *encoder {
	return e.header(channel, size, hasHeaders, append(binary.BigEndian.AppendUint32(nil, uint32(len(table))), table...))
}

func (e *encoder) body(channel uint16, b []byte) *encoder { return e.frame(frameBody, channel, b) }
func (e *encoder) heartbeat() *encoder                    { return e.frame(frameHeartbeat, 0, nil) }
func (e *encoder) consumeOk() *encoder                    { return e.method(1, basicConsumeOk, tag) }

// field writes one field of a table; value is as on the wire, without the length that S, x, F and A have.
func field(name string, kind byte, value []byte) []byte {
	return append(append([]byte{byte(len(name))}, name...), element(kind, value)...)
}

func element(kind byte, value []byte) []byte {
	b := []byte{kind}
	if slices.Contains([]byte("SxFA"), kind) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	}
	return append(b, value...)
}

// pieces is a connection that brings its bytes in pieces and then ends.
type pieces struct {
	net.Conn // none: what is not written below is not to be called
	b        []byte
	next     func() int // the size of the next piece
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.next())], p.b)
	p.b = p.b[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error { return nil }

// seen is a Delivery that was copied out of the buffer.
type seen struct {
	Delivery
	headers string
	body    string
}

// outcome is all that comes of a stream.
type outcome struct {
	deliveries []seen
	library    []byte
	err        string
}

// through sends a stream through a Conn in pieces.
func through(stream []byte, maxBody int, next func() int) (o outcome, c *Conn) {
	s := NewSocket(&pieces{b: stream, next: next}, new(atomic.Int64))
	c = New(s, s, Options{ConsumerTag: tag, MaxBody: maxBody, Deliver: func(d *Delivery) { o.deliveries = append(o.deliveries, copied(d)) }})
	p := make([]byte, 4096)
	for {
		n, err := c.Read(p)
		o.library = append(o.library, p[:n]...)
		if err != nil {
			o.err = err.Error()
			return o, c
		}
	}
}

func copied(d *Delivery) seen {
	s := seen{Delivery: *d, headers: string(d.Properties.Headers), body: string(d.Body)}
	clone := func(t *string) { *t = string([]byte(*t)) }
	p := &s.Properties
	for _, t := range []*string{&s.Exchange, &s.RoutingKey, &p.ContentType, &p.ContentEncoding, &p.CorrelationID, &p.ReplyTo,
		&p.Expiration, &p.MessageID, &p.Type, &p.UserID, &p.AppID} {
		clone(t)
	}
	p.Headers, s.Body, s.Received = nil, nil, 0
	return s
}

func all() int { return 1 << 30 }

// library is a real amqp091-go connection to a broker of a few lines, in memory.
type library struct {
	broker     net.Conn
	conn       *amqp.Connection
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error
	ended      chan struct{} // the broker's reader
}

// openLibrary opens a connection; beneath is given the client's end and may put something on it.
func openLibrary(t testing.TB, beneath func(net.Conn) net.Conn) *library {
	client, broker := net.Pipe()
	l := &library{broker: broker, ended: make(chan struct{})}
	go l.answer()
	var err error
	l.conn, err = amqp.Open(beneath(client), amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{}}, FrameSize: MaxFrame, Vhost: "/"})
	require.NoError(t, err)
	ch, err := l.conn.Channel()
	require.NoError(t, err)
	l.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	l.deliveries, err = ch.Consume("q", tag, false, false, false, false, nil)
	require.NoError(t, err)
	return l
}

// answers are what a broker says to the methods that a consumer sends.
func answers(m uint32) []byte {
	e := &encoder{}
	switch m {
	case 10<<16 | 11: // start-ok
		e.method(0, connectionTune, uint16(1), uint32(MaxFrame), uint16(0))
	case 10<<16 | 40: // open
		e.method(0, 10<<16|41, "")
	case 10<<16 | 50: // close
		e.method(0, 10<<16|51)
	case 20<<16 | 10: // channel.open
		e.method(1, 20<<16|11, []byte(nil))
	case 60<<16 | 20: // consume
		e.consumeOk()
	}
	return e.b
}

func (l *library) answer() {
	defer close(l.ended)
	head := make([]byte, 8)
	if _, err := io.ReadFull(l.broker, head); err != nil { // AMQP0091
		return
	}
	start := (&encoder{}).method(0, 10<<16|10, uint8(0), uint8(9), []byte(nil), []byte("PLAIN"), []byte("en_US")).b
	_, _ = l.broker.Write(start)
	for {
		if _, err := io.ReadFull(l.broker, head[:7]); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head[3:])+1)
		if _, err := io.ReadFull(l.broker, rest); err != nil {
			return
		}
		if head[0] == frameMethod {
			_, _ = l.broker.Write(answers(binary.BigEndian.Uint32(rest)))
		}
	}
}

func (l *library) close() {
	l.broker.Close()
	<-l.ended
	l.conn.Close()
}

// decode has the library read a header table. False means that it ended the connection over it.
func (l *library) decode(table []byte) (amqp.Table, bool) {
	e := (&encoder{}).deliver(1, tag, 1).headers(1, 0, table)
	if _, err := l.broker.Write(e.b); err != nil {
		return nil, false
	}
	d, ok := <-l.deliveries
	return d.Headers, ok
}
