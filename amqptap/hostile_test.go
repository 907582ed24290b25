package amqptap

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// hostileBodies are what a program may send to harm a tap, or by mistake.
func hostileBodies() map[string][]byte {
	oslo := func(inner string) []byte {
		return fmt.Appendf(nil, `{"oslo.version": "2.0", "oslo.message": %q}`, inner)
	}
	bodies := map[string][]byte{
		"empty":                 {},
		"zeros":                 make([]byte, 1000),
		"invalid UTF-8":         []byte("{\"method\": \"\xff\xfe\", \"_unique_id\": \"\xc3\"}"),
		"envelope alone":        []byte(`{"oslo.version": "2.0"}`),
		"message no string":     []byte(`{"oslo.version": "2.0", "oslo.message": {"method": "m"}}`),
		"message not JSON":      oslo(`<xml>`),
		"message an array":      oslo(`[1, 2]`),
		"method an object":      oslo(`{"method": {"a": 1}, "_unique_id": "1"}`),
		"method empty":          oslo(`{"method": "", "_unique_id": "1"}`),
		"method of 1 MB":        oslo(`{"method": "` + strings.Repeat("m", 1_000_000) + `", "_unique_id": "1"}`),
		"cut off":               oslo(`{"method": "m", "args": {"a": "b`),
		"cut off outside":       []byte(`{"oslo.version": "2.0", "oslo.message": "{\"method\": \"m\"`),
		"a million brackets":    oslo(`{"args": ` + strings.Repeat("[", 400_000)),
		"a million braces":      []byte(strings.Repeat(`{"a":`, 200_000)),
		"a million backslashes": []byte(`{"oslo.message": "` + strings.Repeat(`\`, 1_000_000)),
		"half a surrogate":      oslo(`{"method": "\ud800", "_unique_id": "1"}`),
		"StatsD injection":      oslo("{\"method\": \"a:1|c\\nb:1|c\", \"_unique_id\": \"1\"}"),
		"16 MiB of oslo":        oslo(`{"args": "` + strings.Repeat("x", 16<<20-200) + `"}`),
		"16 MiB of anything":    bytes.Repeat([]byte("{[\""), 16<<20/3),
	}
	return bodies
}

func TestHostileBodiesAreCountedAndHurtNobody(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	c := dial(t, node.URL())
	c.queue("q.hostile")
	n := int64(0)
	for name, body := range hostileBodies() {
		c.publish("", "q.hostile", amqp.Publishing{MessageId: name, Body: body})
		n++
	}
	require.Eventually(t, func() bool { return tap.now().Published == n }, patience, 10*time.Millisecond, "status: %s", dump(tap.now()))
	s := tap.now()
	require.Zero(t, s.Panics)
	require.EqualValues(t, 1, s.Connects, "a body cost the connection: %s", s.LastError)
	require.EqualValues(t, 1, s.Dialects["oslo"]["too_large"])
	require.EqualValues(t, 1, s.Dialects["oslo"]["too_deep"])
	require.NotZero(t, s.Dialects["oslo"]["bad_json"])
	require.NotZero(t, s.Dialects["oslo"]["bad_field"])
	tap.seesCalls(t, node.URL(), "unhurt", 1)
}

// The broker's trace copy holds the message's headers two tables deeper and may be larger than a frame;
// then the library must close the connection. That is the worst that may happen.
func TestHostileHeadersCostAtMostAReconnect(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	c := dial(t, node.URL())
	c.queue("q.headers")
	many := amqp.Table{}
	for i := range 8192 {
		many[fmt.Sprint("h", i)] = int32(i)
	}
	deep := amqp.Table{}
	for range 30 {
		deep = amqp.Table{"t": deep}
	}
	for _, h := range []amqp.Table{many, deep, {"h": strings.Repeat("x", 130_000)}, {"traceparent": []byte("00-zz")}, {"b3": strings.Repeat("f", 40)}} {
		c.publish("", "q.headers", amqp.Publishing{Headers: h, Body: []byte("x")})
	}
	require.Eventually(t, func() bool {
		s := tap.now()
		return s.Published >= 5 || s.Connects > 1 && s.Connected
	}, patience, 10*time.Millisecond, "status: %s", dump(tap.now()))
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "unhurt.by.headers", 1)
	require.Zero(t, tap.now().Panics)
	t.Log(dump(tap.now()))
}

func TestPanicCostsOneMessage(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	tap.running.mu.Lock()
	sound := tap.running.dialects
	tap.running.dialects = nil // the next message will fault
	tap.running.mu.Unlock()
	c := dial(t, node.URL())
	c.queue("q.panic")
	c.publish("", "q.panic", amqp.Publishing{})
	tap.awaitLog(t, "a fault in calltap")
	tap.running.mu.Lock()
	tap.running.dialects = sound
	tap.running.mu.Unlock()
	tap.seesCalls(t, node.URL(), "after.panic", 1)
	require.EqualValues(t, 1, tap.now().Connects)
}

// freezer is a TCP proxy that can stop passing bytes without closing, as a network that fails does.
type freezer struct {
	net.Listener
	to     string
	frozen chan struct{}
	mu     sync.Mutex
	conns  []net.Conn
}

func newFreezer(t *testing.T, to string) *freezer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &freezer{Listener: l, to: to, frozen: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() { f.accept(&all) })
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		all.Wait()
	})
	return f
}

func (f *freezer) accept(all *sync.WaitGroup) {
	for {
		client, err := f.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", f.to)
		if err != nil {
			client.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, client, server)
		f.mu.Unlock()
		all.Go(func() { f.pass(client, server) })
		all.Go(func() { f.pass(server, client) })
	}
}

func (f *freezer) pass(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		select {
		case <-f.frozen:
			_, _ = io.Copy(io.Discard, from) // taken and never passed on
			return
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestHalfOpenConnectionIsNoticed(t *testing.T) {
	node := broker(t)
	proxy := newFreezer(t, fmt.Sprintf("127.0.0.1:%d", node.Port))
	url := strings.Replace(node.URL(), fmt.Sprint(node.Port), fmt.Sprint(proxy.Addr().(*net.TCPAddr).Port), 1)
	s := &Source{URL: url}
	require.NoError(t, s.Heartbeat.UnmarshalJSON([]byte(`"1s"`)))
	tap := start(t, s)
	tap.awaitConnected(t)
	close(proxy.frozen)
	frozen := time.Now()
	require.Eventually(t, func() bool { return !tap.now().Connected }, patience, 10*time.Millisecond)
	require.Less(t, time.Since(frozen), 15*time.Second)
}

func TestStopDoesNotWaitForABrokerThatHangs(t *testing.T) {
	node := broker(t)
	proxy := newFreezer(t, fmt.Sprintf("127.0.0.1:%d", node.Port))
	url := strings.Replace(node.URL(), fmt.Sprint(node.Port), fmt.Sprint(proxy.Addr().(*net.TCPAddr).Port), 1)
	tap := start(t, &Source{URL: url})
	tap.awaitConnected(t)
	close(proxy.frozen)
	began := time.Now()
	require.NoError(t, tap.Stop())
	require.Less(t, time.Since(began), stopsWithin)
}

func TestStopDoesNotWaitForAHandshake(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	defer mute.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := mute.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	tap := start(t, &Source{URL: "amqp://" + mute.Addr().String()})
	defer (<-accepted).Close()
	began := time.Now()
	require.NoError(t, tap.Stop())
	require.Less(t, time.Since(began), stopsWithin)
}

func TestWhatIsNoFirehoseMessageIsRefused(t *testing.T) {
	var r dialect.Record
	full := func() amqp.Table {
		return amqp.Table{"vhost": "/", "exchange_name": "nova", "routing_keys": []any{"conductor"}, "properties": amqp.Table{}, "routed_queues": []any{}}
	}
	require.True(t, fromFirehose("publish.nova", full(), nil, &r))
	require.Equal(t, dialect.Record{Point: spanbuilder.Published, VHost: "/", Exchange: "nova", RoutingKey: "conductor", RoutedKnown: true}, r)

	require.True(t, fromFirehose("publish.", amqp.Table{"properties": amqp.Table{}}, nil, &r), "absent headers are no reason")
	require.True(t, fromFirehose("deliver.", amqp.Table{"properties": amqp.Table{}, "redelivered": int32(1)}, nil, &r))
	require.True(t, r.Redelivered)
	require.False(t, fromFirehose("publish", full(), nil, &r))
	require.False(t, fromFirehose("", nil, nil, &r))
	for name, wrong := range map[string]any{"properties": "x"} {
		h := full()
		h[name] = wrong
		require.False(t, fromFirehose("publish.nova", h, nil, &r))
	}
	h := full()
	h["routing_keys"], h["vhost"], h["routed_queues"], h["exchange_name"] = "x", int32(1), "y", []any{nil}
	require.True(t, fromFirehose("publish.nova", h, nil, &r), "wrong types count as absent")
	require.Equal(t, dialect.Record{Point: spanbuilder.Published}, r)
}
