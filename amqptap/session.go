package amqptap

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/calltap/calltap/amqptap/wire"
)

// firehoseExchange is where RabbitMQ publishes a copy of each message of a vhost, if told to
// (https://www.rabbitmq.com/docs/firehose). It is internal: clients may bind to it and no more.
const firehoseExchange = "amq.rabbitmq.trace"

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	closeTimeout     = 1500 * time.Millisecond // of the two seconds that Stop may take
	copyLifetime     = 30 * time.Second        // older copies are of no use: the calls have ended
	consumerTag      = "calltap"
)

// session is one connection with its channel, its queue and its consumer.
type session struct {
	raw        *wire.Socket
	conn       *amqp.Connection
	ch         *amqp.Channel
	queue      string
	consumer   *consumer
	deliveries <-chan amqp.Delivery // of a reader "inplace" there come none, but it is closed at the end
	rpc        sync.Mutex           // held for one question to the broker and its answer: the library tells answers apart by their order
	bound      []Binding            // guarded by rpc
	isBound    atomic.Bool          // there are any
	closed     chan *amqp.Error     // why the channel ended; closed without a value if the tap ended it
}

// connect makes a session, or says what stands against it.
func (t *tap) connect(ctx context.Context) (*session, *trouble) {
	s, tr := t.open(ctx)
	if tr != nil {
		return nil, tr
	}
	release := context.AfterFunc(ctx, func() { s.raw.Close() }) // as in open
	defer release()
	if tr := t.subscribe(s); tr != nil {
		s.close()
		return nil, tr
	}
	return s, nil
}

// open makes a connection with a channel, and nothing at the broker.
func (t *tap) open(ctx context.Context) (*session, *trouble) {
	raw, err := t.dial(ctx)
	if err != nil {
		return nil, &trouble{doing: connecting, err: err}
	}
	// The library's calls know no context, but they end with their socket.
	release := context.AfterFunc(ctx, func() { raw.Close() })
	defer release()
	s := &session{raw: wire.NewSocket(raw, &t.counters.bytes)}
	s.consumer = t.newConsumer(s)
	if err := t.handshake(ctx, s); err != nil {
		raw.Close() // nothing was consumed yet
		return nil, t.diagnose(connecting, "", err)
	}
	return s, nil
}

func (t *tap) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: t.Heartbeat}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(t.URI.Host, strconv.Itoa(t.URI.Port)))
}

// handshake opens TLS, if asked for, and AMQP. It must end in time: amqp091-go lifts this deadline when
// the connection is open, and heartbeats take its place.
func (t *tap) handshake(ctx context.Context, s *session) (err error) {
	if err := s.raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	var conn net.Conn = s.raw
	if t.URI.Scheme == "amqps" {
		c, err := t.TLS.load(t.URI.Host)
		if err != nil {
			return err
		}
		secure := tls.Client(conn, c)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		conn = secure
	}
	s.conn, err = amqp.Open(s.consumer.beneath(conn), t.config())
	if err != nil {
		return err
	}
	s.raw.Expect(s.conn.Config.Heartbeat)
	s.ch, err = s.conn.Channel()
	return err
}

func (s *settings) config() amqp.Config {
	var auth amqp.Authentication = s.URI.PlainAuth()
	if s.URI.Username == "" {
		auth = &amqp.ExternalAuth{} // the certificate says who we are
	}
	properties := amqp.Table{
		"product":         "calltap",
		"version":         version(),
		"platform":        "Go",
		"information":     "observes RPC; https://github.com/calltap/calltap",
		"connection_name": connectionPrefix + s.Host,
	}
	return amqp.Config{
		SASL:       []amqp.Authentication{&toldWhy{auth, properties}},
		Vhost:      s.URI.Vhost,
		ChannelMax: 1,
		FrameSize:  wire.MaxFrame,
		Heartbeat:  s.Heartbeat,
		Locale:     "en_US",
		Properties: properties,
	}
}

// toldWhy asks the broker to say so when it refuses a login (https://www.rabbitmq.com/docs/auth-notification).
// Without that it just closes the socket, some seconds later, and a wrong password cannot be told from a broker that
// is going down. amqp091-go does not ask, and writes its own capabilities over the caller's; but it
// takes the login's response after that, from here.
type toldWhy struct {
	amqp.Authentication
	properties amqp.Table
}

// Response implements amqp.Authentication.
func (a *toldWhy) Response() string {
	if c, ok := a.properties["capabilities"].(amqp.Table); ok {
		c["authentication_failure_close"] = true
	}
	return a.Authentication.Response()
}

// version is the module's, as the binary was built.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range append(info.Deps, &info.Main) {
			if dep.Path == "github.com/calltap/calltap" && dep.Version != "" {
				return dep.Version
			}
		}
	}
	return "unknown"
}

// subscribe declares the queue, binds it and consumes it.
func (t *tap) subscribe(s *session) *trouble {
	s.closed = s.ch.NotifyClose(make(chan *amqp.Error, 1))
	s.queue = t.queueName()
	// Ours alone: exclusive, so gone with the connection and closed to others; bounded in messages, bytes
	// and time, so that it can never fill the broker's memory, whose alarm stops every publisher; drop-head,
	// because reject-publish makes the broker refuse the watched programs' own messages.
	_, err := s.ch.QueueDeclare(s.queue, false, false, true, false, amqp.Table{
		"x-queue-type":       "classic",
		"x-max-length":       int64(t.MaxLength),
		"x-max-length-bytes": t.MaxBytes,
		"x-overflow":         "drop-head",
		"x-message-ttl":      copyLifetime.Milliseconds(),
		"x-expires":          2 * copyLifetime.Milliseconds(),
	})
	if err != nil {
		return t.diagnose(declaring, "", err)
	}
	// Unacknowledged messages do not count in x-max-length, and without prefetch amqp091-go, where it is the
	// reader, keeps any number of them. So this bounds the broker's memory and ours.
	if err := s.ch.Qos(t.Prefetch, 0, false); err != nil {
		return t.diagnose(consuming, "", err)
	}
	if s.deliveries, err = s.ch.Consume(s.queue, consumerTag, false, true, false, false, nil); err != nil {
		return t.diagnose(consuming, "", err)
	}
	if at, err := s.bind(t.wanted()); err != nil { // last: what is bound fills
		return t.diagnose(binding(at), at, err)
	}
	return nil
}

const queueWord = 4 // bytes, each two letters of the name

// queueName is new for each session: after a network failure the broker may hold the old exclusive
// queue until it notices.
func (s *settings) queueName() string {
	var word [queueWord]byte
	rand.Read(word[:])
	return s.Queue + s.Host + "." + hex.EncodeToString(word[:])
}

// server is the broker's version, "" if it does not tell.
func (s *session) server() string {
	v, _ := s.conn.Properties["version"].(string)
	return v
}

// close ends the session in an orderly way if that can be had in time, and in any case.
func (s *session) close() {
	if s.conn != nil {
		_ = s.raw.SetDeadline(time.Now().Add(closeTimeout))
		_ = s.conn.Close() // the broker cleans up either way
	}
	s.raw.Close()
	s.consumer.stop()
}
