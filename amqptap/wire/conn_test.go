package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// mixed is a stream with all that a good broker may send, and how many of its deliveries are the consumer's. library is what
// of it the library must get.
func mixed() (stream, library []byte, deliveries int) {
	e, l := &encoder{}, &encoder{}
	both := func(f func(e *encoder)) { f(e); f(l) }
	both(func(e *encoder) {
		e.method(0, connectionTune, uint16(1), uint32(MaxFrame), uint16(10)).deliver(1, tag, 99).headers(1, 0, nil) // before it is known who we are
		e.consumeOk()
	})
	e.deliver(1, tag, 1).headers(1, 0, nil)
	e.deliver(1, tag, 2).headers(1, 5, field("a", 'S', []byte("b"))).body(1, []byte("hello"))
	e.deliver(1, tag, 3).header(1, 3, 0xfffc&^hasReserved, properties()).body(1, []byte("abc"))
	both((func(e *encoder) { e.heartbeat() }))
	e.deliver(1, tag, 4)
	both(func(e *encoder) { e.heartbeat() })
	e.headers(1, 10, nil).body(1, []byte("01234"))
	both(func(e *encoder) { e.heartbeat().method(0, 10<<16|60, "memory") }) // connection.blocked
	e.body(1, nil).body(1, []byte("56789"))
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	e.deliver(1, tag, 5).headers(1, uint64(len(big)), nil)
	for rest := big; len(rest) > 0; {
		n := min(len(rest), MaxFrame-frameOverhead)
		e.body(1, rest[:n])
		rest = rest[n:]
	}
	e.deliver(1, tag, 6).headers(1, MaxFrame-frameOverhead, bytes.Repeat(field("h", 'x', make([]byte, 10_000)), 13)).body(1, big[:MaxFrame-frameOverhead])
	both(func(e *encoder) {
		e.deliver(1, "somebody else", 1).headers(1, 2, nil).body(1, []byte("no"))
		e.deliver(7, tag, 1).headers(7, 2, nil).body(7, []byte("no"))
		e.headers(1, 2, nil).body(1, []byte("no")) // content of nothing
	})
	e.deliver(1, tag, 7).headers(1, 9, nil)
	both(func(e *encoder) { e.method(1, 20<<16|40, uint16(541), "INTERNAL_ERROR", uint16(0), uint16(0)) }) // in place of the body
	e.deliver(1, tag, 8).headers(1, 0, nil)
	return e.b, l.b, 7
}

// properties are all fourteen, in the order of their flags, but for the reserved one.
func properties() []byte {
	e := (&encoder{}).method(0, 0, "type/x", "utf-8", field("n", 'I', []byte{0, 0, 0, 7}), uint8(2), uint8(9), "corr", "reply", "1000", "id",
		uint64(1700000000), "kind", "user", "app")
	return e.b[frameHead+4 : len(e.b)-1]
}

func TestHowTheBytesAreCutMakesNoDifference(t *testing.T) {
	stream, library, n := mixed()
	want, _ := through(stream, 1<<20, all)
	require.Equal(t, "EOF", want.err)
	require.Len(t, want.deliveries, n)
	require.Equal(t, library, want.library)
	d := want.deliveries[2]
	require.Equal(t, Delivery{Tag: 3, Redelivered: true, Exchange: "exchange", RoutingKey: "key.of.it", Size: 3, Properties: Properties{
		ContentType: "type/x", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 9, CorrelationID: "corr", ReplyTo: "reply", Expiration: "1000",
		MessageID: "id", Timestamp: 1700000000, Type: "kind", UserID: "user", AppID: "app"}}, d.Delivery)
	require.Equal(t, "abc", d.body)
	require.Equal(t, "0123456789", want.deliveries[3].body)
	require.Len(t, want.deliveries[4].body, 320_000)

	for _, size := range []int{1, 7, 13, 100, 4096, MaxFrame - 1} {
		got, _ := through(stream, 1<<20, func() int { return size })
		require.Equal(t, want, got, "in pieces of %d bytes", size)
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		got, _ := through(stream, 1<<20, func() int { return 1 + rng.IntN(1<<rng.IntN(18)) })
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// What a Conn delivers is what the library would have, and what it leaves to the library keeps that alive.
func TestDeliversWhatTheLibraryWould(t *testing.T) {
	stream := &encoder{}
	for i := range uint64(20) {
		body := bytes.Repeat([]byte{byte('a' + i)}, int(i*i*400))
		stream.deliver(1, tag, i+1).header(1, uint64(len(body)), 0xfffc&^hasReserved, properties()).heartbeat()
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 50_000)
			stream.body(1, rest[:n])
			rest = rest[n:]
		}
	}
	alone := openLibrary(t, func(c net.Conn) net.Conn { return c })
	defer alone.close()
	got := make(chan seen, 20)
	beneath := openLibrary(t, func(c net.Conn) net.Conn {
		s := NewSocket(c, nil)
		return New(s, s, Options{ConsumerTag: tag, MaxBody: 1 << 20, Deliver: func(d *Delivery) { got <- copied(d) }})
	})
	defer beneath.close()
	for _, l := range []*library{alone, beneath} {
		_, err := l.broker.Write(stream.b)
		require.NoError(t, err)
	}
	for range 20 {
		want, have := <-alone.deliveries, <-got
		require.Equal(t, want.DeliveryTag, have.Tag)
		require.Equal(t, string(want.Body), have.body)
		require.Equal(t, []any{want.Exchange, want.RoutingKey, want.Redelivered}, []any{have.Exchange, have.RoutingKey, have.Redelivered})
		p := have.Properties
		require.Equal(t, []any{want.ContentType, want.ContentEncoding, want.DeliveryMode, want.Priority, want.CorrelationId, want.ReplyTo, want.Expiration,
			want.MessageId, want.Timestamp.Unix(), want.Type, want.UserId, want.AppId},
			[]any{p.ContentType, p.ContentEncoding, p.DeliveryMode, p.Priority, p.CorrelationID, p.ReplyTo, p.Expiration,
				p.MessageID, p.Timestamp, p.Type, p.UserID, p.AppID})
		require.Equal(t, want.Headers, amqp.Table(asMap(t, Table(have.headers))))
	}
	require.NoError(t, beneath.conn.Close(), "the library could not say goodbye")
}

// Each stream stands for a fault or an attack. The library either gets the very bytes, to judge for itself, or the connection
// ends with an error that says what was wrong.
func TestHostileFrames(t *testing.T) {
	start := func() *encoder { return (&encoder{}).consumeOk() }
	huge := []byte{frameBody, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 2, 3}
	for name, c := range map[string]struct {
		stream  *encoder
		passed  int    // how many bytes of the end of the stream the library gets, after consume-ok
		failure string // of Read
	}{
		"frame above the limit":            {&encoder{append(start().b, huge...)}, len(huge), "EOF"},
		"unknown type":                     {start().frame(9, 0, []byte("x")), 9, "EOF"},
		"wrong end octet":                  {&encoder{append(start().b, frameHeartbeat, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)}, 11, "EOF"},
		"HTTP":                             {&encoder{append(start().b, "HTTP/1.1 400 Bad Request\r\n\r\n"...)}, 28, "EOF"},
		"deliver cut off":                  {start().frame(frameMethod, 1, []byte{0, 60, 0, 60, 200, 'm'}), 0, "basic.deliver is longer than its frame"},
		"deliver of nothing":               {start().frame(frameMethod, 1, []byte{0, 60, 0, 60}), 0, "basic.deliver is longer than its frame"},
		"method of nothing":                {start().frame(frameMethod, 1, nil), 8, "EOF"},
		"deliver after deliver":            {start().deliver(1, tag, 1).heartbeat().deliver(1, tag, 2), 8, "basic.deliver within the content of another"},
		"header of nothing":                {start().deliver(1, tag, 1).frame(frameHeader, 1, nil), 0, "content header"},
		"header of another class":          {start().deliver(1, tag, 1).frame(frameHeader, 1, make([]byte, 14)), 0, "content header"},
		"more flags":                       {start().deliver(1, tag, 1).header(1, 0, hasMoreFlags, make([]byte, 14)), 0, "content header"},
		"properties cut off":               {start().deliver(1, tag, 1).header(1, 0, 0xfffc, properties()[:20]), 0, "content header"},
		"table longer than its frame":      {start().deliver(1, tag, 1).header(1, 0, hasHeaders, []byte{0xff, 0xff, 0xff, 0xff, 1}), 0, "content header"},
		"bad header after a heartbeat":     {start().deliver(1, tag, 1).heartbeat().header(1, 0, hasMoreFlags, nil), 8, "content header"},
		"body before header":               {start().deliver(1, tag, 1).body(1, []byte("x")), 0, "not in order"},
		"two headers":                      {start().deliver(1, tag, 1).headers(1, 3, nil).headers(1, 3, nil), 0, "not in order"},
		"body larger than announced":       {start().deliver(1, tag, 1).headers(1, 3, nil).body(1, []byte("1234")), 0, "a body is larger than its header says"},
		"body larger in its second frame":  {start().deliver(1, tag, 1).headers(1, 3, nil).body(1, []byte("12")).body(1, []byte("34")), 0, "a body is larger than its header says"},
		"wrong end octet within a message": {&encoder{append(start().deliver(1, tag, 1).headers(1, 3, nil).b, frameBody, 0, 1, 0, 0, 0, 1, 'x', 0)}, 9, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 5, 1 << 20} {
				got, conn := through(c.stream.b, 1<<20, func() int { return size })
				require.Contains(t, got.err, c.failure)
				ok := len(start().b)
				require.Equal(t, c.stream.b[:ok], got.library[:ok])
				if c.failure == "EOF" {
					require.Equal(t, c.stream.b[len(c.stream.b)-c.passed:], got.library[ok:])
				} else {
					require.Len(t, got.library, ok+c.passed)
				}
				require.Empty(t, got.deliveries)
				_, again := conn.Read(make([]byte, 1))
				require.Error(t, again, "it read on after a fault")
			}
		})
	}
}

// A header may announce any size; what is kept is what is to be looked into.
func TestABodyWithoutEndCostsNoMemory(t *testing.T) {
	const frames, limit = 50, 1000
	e := (&encoder{}).consumeOk().deliver(1, tag, 1).headers(1, 1<<63, nil)
	for range frames {
		e.body(1, make([]byte, 100_000))
	}
	got, c := through(e.b, limit, all)
	require.Equal(t, "EOF", got.err)
	require.LessOrEqual(t, cap(c.parts.body), 2*limit)
	require.Len(t, c.buf, bufferSize)

	e = (&encoder{}).consumeOk().deliver(1, tag, 1).headers(1, 2*100_000, nil).body(1, make([]byte, 100_000)).body(1, make([]byte, 100_000))
	got, _ = through(e.b, limit, all)
	require.Len(t, got.deliveries, 1)
	require.Len(t, got.deliveries[0].body, limit)
	require.EqualValues(t, 200_000, got.deliveries[0].Size)

	e = (&encoder{}).consumeOk().deliver(1, tag, 1).headers(1, 8<<20, nil)
	for range 128 {
		e.body(1, make([]byte, 64<<10))
	}
	got, c = through(e.b, 16<<20, all)
	require.Len(t, got.deliveries, 1)
	require.LessOrEqual(t, cap(c.parts.body), keptBody, "the largest body ever is kept for ever")
}

// The frame size is as the library settles it: the smaller of its own and the broker's.
func TestFramesAboveTheNegotiatedSizeGoToTheLibrary(t *testing.T) {
	e := (&encoder{}).method(0, connectionTune, uint16(1), uint32(8192), uint16(10)).consumeOk()
	ok := len(e.b)
	e.deliver(1, tag, 1).headers(1, 8184, nil).body(1, make([]byte, 8184))
	good := len(e.b)
	e.deliver(1, tag, 2).headers(1, 8185, nil)
	bad := len(e.b)
	e.body(1, make([]byte, 8185))
	got, _ := through(e.b, 1<<20, all)
	require.Len(t, got.deliveries, 1)
	require.Equal(t, append(bytes.Clone(e.b[:ok]), e.b[bad:]...), got.library)
	require.Less(t, good, bad)
}

func TestErrorsQuoteNothingOfTheMessage(t *testing.T) {
	e := (&encoder{}).consumeOk().deliver(1, tag, 1).headers(1, 6, nil).body(1, []byte("s3cret"+"s3cret"))
	got, _ := through(e.b, 1<<20, all)
	require.NotContains(t, got.err, "s3cret")
	require.True(t, strings.HasPrefix(got.err, "the broker sent what is not AMQP"), got.err)
}

// BenchmarkConn reads messages of 4 KB with the headers of a firehose, 64 a read.
func BenchmarkConn(b *testing.B) {
	one := (&encoder{}).deliver(1, tag, 1).headers(1, 4000, firehoseTable()).body(1, make([]byte, 4000)).b
	batch := bytes.Repeat(one, bufferSize/len(one))
	n := 0
	s := NewSocket(&endless{batch: batch}, nil)
	stop := fmt.Errorf("stop")
	var c *Conn
	c = New(s, s, Options{ConsumerTag: tag, Deliver: func(*Delivery) {
		if n++; n >= b.N {
			c.err = stop
		}
	}})
	c.channel, c.consumes = 1, true
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	b.ResetTimer()
	_, err := c.Read(make([]byte, 10))
	require.Equal(b, stop, err)
}

// endless brings the same again and again.
type endless struct {
	pieces
	batch []byte
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.b) == 0 {
		e.b = e.batch
	}
	n := copy(b, e.b)
	e.b = e.b[n:]
	return n, nil
}
