package faults

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// Where the programs meet.
const (
	exchange = "nova"
	topic    = "compute"
)

// message is what oslo.messaging puts into a message, as far as these programs use it.
type message struct {
	Method  string            `json:"method,omitempty"`
	Args    map[string]string `json:"args,omitempty"`
	ID      string            `json:"_msg_id,omitempty"`
	ReplyTo string            `json:"_reply_q,omitempty"`
	Unique  string            `json:"_unique_id"`
	Request string            `json:"_context_global_request_id,omitempty"`
	Token   string            `json:"_context_auth_token,omitempty"`
	Result  any               `json:"result,omitempty"`
	Ending  bool              `json:"ending,omitempty"`
}

// body wraps the message as oslo.messaging does: JSON in a string in JSON.
func (m *message) body() []byte {
	inner, _ := json.Marshal(m)
	outer, _ := json.Marshal(string(inner))
	return fmt.Appendf(nil, `{"oslo.version": "2.0", "oslo.message": %s}`, outer)
}

func parse(body []byte) (m message) {
	var envelope struct {
		Message string `json:"oslo.message"`
	}
	if json.Unmarshal(body, &envelope) == nil {
		_ = json.Unmarshal([]byte(envelope.Message), &m)
	}
	return m
}

// newID makes a trace id that also is a random UUID, version 4.
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	return hex.EncodeToString(raw[:])
}

// requestID is OpenStack's way to write a trace id.
func requestID(id string) string {
	return "req-" + id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// retryTime is between two attempts of a program to reach its broker.
const retryTime = 100 * time.Millisecond

// serve answers the calls of the topic until the test ends, over as many connections as that takes.
func serve(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	up := make(chan struct{})
	var last atomic.Value // why it was not
	done.Go(func() {
		first := sync.OnceFunc(func() { close(up) })
		for ctx.Err() == nil {
			if err := serveOnce(ctx, address, first); err != nil { // whatever it was, try again
				last.Store(err.Error())
			}
			pause(ctx, retryTime)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	select {
	case <-up:
	case <-time.After(patience):
		t.Fatal("the service does not reach its broker: ", last.Load())
	}
}

func serveOnce(ctx context.Context, address string, up func()) error {
	conn, ch, err := open(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := declare(ch); err != nil {
		return err
	}
	in, err := ch.Consume(topic, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	up()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-in:
			if !ok {
				return errors.New("the connection was lost")
			}
			request := parse(d.Body)
			reply := message{ID: request.ID, Unique: newID(), Result: 1, Ending: true}
			if err := ch.PublishWithContext(ctx, "", request.ReplyTo, false, false, amqp.Publishing{Body: reply.body()}); err != nil {
				return err
			}
		}
	}
}

func declare(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(exchange, "topic", false, false, false, false, nil); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(topic, false, false, false, false, nil); err != nil {
		return err
	}
	return ch.QueueBind(topic, topic, exchange, false, nil)
}

func open(address string) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.DialConfig(address, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second), Heartbeat: 10 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, ch, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// outcome is what one call came to, as its caller saw it.
type outcome struct {
	trace     string
	began     time.Time
	confirmed time.Duration // until the broker confirmed the request; 0 if it did not
	answered  time.Duration // until the reply came; 0 if none came
	failed    string        // "", or one of the words below
}

const (
	nacked     = "nacked"
	returned   = "returned"
	unanswered = "unanswered"
	lost       = "connection lost"
)

// caller is a program that makes calls, one after the other.
type caller struct {
	conn    *amqp.Connection
	ch      *amqp.Channel
	replyTo string
	replies <-chan amqp.Delivery
	returns chan amqp.Return
	wait    time.Duration // for each reply
	padding string        // an argument of its calls
}

func newCaller(address string, wait time.Duration) (*caller, error) {
	c := &caller{wait: wait}
	var err error
	if c.conn, c.ch, err = open(address); err != nil {
		return nil, err
	}
	c.returns = c.ch.NotifyReturn(make(chan amqp.Return, 16))
	if err = c.subscribe(); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *caller) subscribe() error {
	q, err := c.ch.QueueDeclare("reply_"+newID(), false, true, true, false, nil)
	if err != nil {
		return err
	}
	c.replyTo = q.Name
	if c.replies, err = c.ch.Consume(q.Name, "", true, true, false, false, nil); err != nil {
		return err
	}
	return c.ch.Confirm(false)
}

// dial is newCaller for the length of a test.
func dial(t testing.TB, address string) *caller {
	t.Helper()
	c, err := newCaller(address, 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// call makes one call of a method, of a topic's service.
func (c *caller) call(method, key string) (o outcome) {
	o.trace, o.began = newID(), time.Now()
	request := message{
		Method: method, ID: newID(), ReplyTo: c.replyTo, Unique: newID(), Request: requestID(o.trace),
		Token: "token-canary", Args: map[string]string{"a": "argument-canary", "padding": c.padding},
	}
	o.failed = c.publish(&o, key, amqp.Publishing{
		ContentType: "application/json", Expiration: fmt.Sprint(c.wait.Milliseconds()), Body: request.body(),
	})
	if o.failed != "" {
		return o
	}
	late := time.NewTimer(c.wait)
	defer late.Stop()
	for {
		select {
		case d, ok := <-c.replies:
			if !ok {
				o.failed = lost
				return o
			}
			if parse(d.Body).ID == request.ID {
				o.answered = time.Since(o.began)
				return o
			}
		case <-late.C:
			o.failed = unanswered
			return o
		}
	}
}

// publish sends a message that must reach a queue, and waits until the broker has said what became of it.
func (c *caller) publish(o *outcome, key string, p amqp.Publishing) (failed string) {
	confirm, err := c.ch.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, true, false, p)
	if err != nil {
		return lost
	}
	select {
	case <-confirm.Done():
	case <-time.After(c.wait):
		return unanswered
	}
	switch {
	case confirm.Acked():
	case c.ch.IsClosed(): // also of a broker that came back without the exchange
		return lost
	default:
		return nacked
	}
	o.confirmed = time.Since(o.began)
	select {
	case <-c.returns: // it comes before the confirm
		return returned
	default:
		return ""
	}
}
