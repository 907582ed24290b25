package wire

import (
	"bytes"
	"net"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func passOn(c net.Conn) net.Conn { return c }

// FuzzTable holds what is read of a table against amqp091-go's own decoder.
func FuzzTable(f *testing.F) {
	f.Add(every())
	f.Add(firehoseTable())
	f.Add([]byte{1, 'x', 'A', 0, 0, 0, 1, 'I'})
	l := openLibrary(f, passOn)
	f.Cleanup(func() { l.close() })
	f.Fuzz(func(t *testing.T, table []byte) {
		if len(table) > 4000 {
			return // a frame before anything is negotiated; more shows nothing new
		}
		h := &Headers{Table: table}
		_, _, _, _ = h.Death()
		_ = h.Strings("A", nil)
		got, whole := decode(table, 0)
		want, ok := l.decode(table)
		if !ok {
			l.close()
			l = openLibrary(t, passOn)
			require.False(t, whole, "the library refuses what is taken for good")
			return
		}
		// The library takes an array that is longer than what holds it, and one whose last element is cut off.
		require.True(t, whole || bytes.IndexByte(table, 'A') >= 0, "the library takes what is refused")
		if whole {
			if want == nil {
				want = amqp.Table{}
			}
			require.Equal(t, byBits(want), any(amqp.Table(got)))
		}
	})
}

// FuzzConn has any bytes follow a good beginning, and wants the same of them however they are cut.
func FuzzConn(f *testing.F) {
	stream, _, _ := mixed()
	f.Add(stream[:3000], uint8(7))
	f.Add((&encoder{}).deliver(1, tag, 1).headers(1, 4, every()).body(1, []byte("body")).b, uint8(1))
	f.Add((&encoder{}).deliver(1, tag, 1).heartbeat().headers(1, 4, nil).body(1, []byte("bo")).heartbeat().body(1, []byte("dy")).b, uint8(3))
	f.Add((&encoder{}).deliver(1, tag, 1).header(1, 1, 0xfffc, properties()).body(1, []byte("x")).b, uint8(100))
	f.Fuzz(func(t *testing.T, tail []byte, size uint8) {
		if len(tail) > 1<<16 {
			return
		}
		stream := append((&encoder{}).consumeOk().b, tail...)
		want, c := through(stream, 1<<20, all)
		require.LessOrEqual(t, cap(c.parts.body)+cap(c.parts.header)+cap(c.parts.method), 4*len(stream)+1000)
		got, _ := through(stream, 1<<20, func() int { return 1 + int(size) })
		require.Equal(t, want, got)
	})
}
