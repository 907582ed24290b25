package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Where the requests of a caller go. The exchange has a name, so that a mirror can be bound to it.
const (
	callExchange = "bench"
	callKey      = "work"
	callTimeout  = 10 * time.Second
)

// caller is a program that makes plain RPC calls over a broker, and the one that answers them.
type caller struct {
	conns   []*amqp.Connection
	ch      *amqp.Channel
	reply   string
	replies <-chan amqp.Delivery
	body    []byte
	n       int
}

// startCaller opens both ends on a vhost.
func startCaller(url string) (*caller, error) {
	c := &caller{body: []byte(`{"method": "work", "pad": "` + strings.Repeat("x", 990) + `"}`)}
	err := c.serve(url)
	if err == nil {
		err = c.open(url)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *caller) dial(url string) (*amqp.Channel, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	c.conns = append(c.conns, conn)
	return conn.Channel()
}

// serve answers each request with a message of the same size.
func (c *caller) serve(url string) error {
	ch, err := c.dial(url)
	if err != nil {
		return err
	}
	if err := ch.ExchangeDeclare(callExchange, "topic", false, true, false, false, nil); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(callKey, false, true, false, false, nil); err != nil {
		return err
	}
	if err := ch.QueueBind(callKey, callKey, callExchange, false, nil); err != nil {
		return err
	}
	requests, err := ch.Consume(callKey, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	go func() {
		for d := range requests {
			_ = ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false, amqp.Publishing{CorrelationId: d.CorrelationId, Body: d.Body})
		}
	}()
	return nil
}

func (c *caller) open(url string) (err error) {
	if c.ch, err = c.dial(url); err != nil {
		return err
	}
	q, err := c.ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return err
	}
	c.reply = q.Name
	c.replies, err = c.ch.Consume(q.Name, "", true, true, false, false, nil)
	return err
}

// run makes calls one after the other, begun at a fixed rate, and tells how long each took, in seconds.
func (c *caller) run(ctx context.Context, d time.Duration, rate int) (took []float64, err error) {
	began := time.Now()
	for i := range int(d.Seconds() * float64(rate)) {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if err := pause(ctx, time.Until(due)); err != nil {
			return took, err
		}
		one, err := c.call(ctx)
		if err != nil {
			return took, err
		}
		took = append(took, one.Seconds())
	}
	return took, nil
}

func (c *caller) call(ctx context.Context) (time.Duration, error) {
	c.n++
	id := fmt.Sprint(c.n)
	began := time.Now()
	err := c.ch.PublishWithContext(ctx, callExchange, callKey, false, false, amqp.Publishing{ReplyTo: c.reply, CorrelationId: id, Body: c.body})
	if err != nil {
		return 0, err
	}
	timeout := time.NewTimer(callTimeout)
	defer timeout.Stop()
	select {
	case d, ok := <-c.replies:
		if !ok || d.CorrelationId != id {
			return 0, errors.New("the reply is not the call's")
		}
		return time.Since(began), nil
	case <-timeout.C:
		return 0, errors.New("no reply")
	}
}

func (c *caller) close() {
	if c == nil {
		return
	}
	for _, conn := range c.conns {
		conn.Close()
	}
}
