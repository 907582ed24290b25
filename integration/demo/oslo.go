package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// exchange is the topic exchange that requests go through, nova's control_exchange.
const exchange = "nova"

// envelope is oslo.messaging's: the message is a JSON text inside JSON.
type envelope struct {
	Version string `json:"oslo.version"`
	Message string `json:"oslo.message"`
}

// message is a request or a reply, with the fields of oslo.messaging's amqpdriver that matter here.
type message struct {
	Method string            `json:"method,omitempty"`
	Args   map[string]string `json:"args,omitempty"`
	MsgID  string            `json:"_msg_id,omitempty"`
	ReplyQ string            `json:"_reply_q,omitempty"`
	Unique string            `json:"_unique_id"`

	RequestID       string `json:"_context_request_id,omitempty"`
	GlobalRequestID string `json:"_context_global_request_id,omitempty"`

	Result  string  `json:"result,omitempty"`
	Failure *string `json:"failure,omitempty"`
	Ending  bool    `json:"ending,omitempty"`
}

// bus is one process's end of the RPC: it calls, casts and serves over one connection.
type bus struct {
	conn    *amqp.Connection
	channel *amqp.Channel
	replyQ  string

	mu    sync.Mutex // guards all below, and publishing on channel
	calls map[string]chan message
}

func dial(url string) (*bus, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	b := &bus{conn: conn, replyQ: "reply_" + newID(), calls: make(map[string]chan message)}
	if b.channel, err = conn.Channel(); err != nil {
		return nil, err
	}
	if err := b.channel.ExchangeDeclare(exchange, "topic", false, false, false, false, nil); err != nil {
		return nil, err
	}
	replies, err := b.consume(b.replyQ)
	if err != nil {
		return nil, err
	}
	go b.takeReplies(replies)
	return b, nil
}

func (b *bus) consume(queue string) (<-chan amqp.Delivery, error) {
	if _, err := b.channel.QueueDeclare(queue, false, true, false, false, nil); err != nil {
		return nil, err
	}
	return b.channel.Consume(queue, "", true, false, false, false, nil)
}

func (b *bus) takeReplies(replies <-chan amqp.Delivery) {
	for d := range replies {
		m, err := decode(d.Body)
		if err != nil {
			continue
		}
		b.mu.Lock()
		waiting := b.calls[m.MsgID]
		delete(b.calls, m.MsgID)
		b.mu.Unlock()
		if waiting != nil {
			waiting <- m
		}
	}
}

// call sends a request in the name of cause and waits for its reply.
func (b *bus) call(cause message, topic, method string, args map[string]string) (string, error) {
	const timeout = 10 * time.Second
	m := message{
		Method: method, Args: args, MsgID: newID(), ReplyQ: b.replyQ,
		RequestID: cause.RequestID, GlobalRequestID: cause.GlobalRequestID,
	}
	reply := make(chan message, 1)
	b.mu.Lock()
	b.calls[m.MsgID] = reply
	b.mu.Unlock()
	if err := b.publish(exchange, topic, m, timeout); err != nil {
		return "", err
	}
	select {
	case r := <-reply:
		if r.Failure != nil {
			return "", errors.New(*r.Failure)
		}
		return r.Result, nil
	case <-time.After(timeout):
		return "", fmt.Errorf("no reply to %s within %s", method, timeout)
	}
}

// cast sends a request that nobody answers.
func (b *bus) cast(cause message, topic, method string, args map[string]string) error {
	m := message{Method: method, Args: args, RequestID: cause.RequestID, GlobalRequestID: cause.GlobalRequestID}
	return b.publish(exchange, topic, m, 0)
}

// serve hands each request for a topic to handle, in a goroutine of its own, and sends its answer.
func (b *bus) serve(topic string, handle func(message) (string, error)) error {
	requests, err := b.consume(topic)
	if err != nil {
		return err
	}
	if err := b.channel.QueueBind(topic, topic, exchange, false, nil); err != nil {
		return err
	}
	go func() {
		for d := range requests {
			if m, err := decode(d.Body); err == nil {
				go b.answer(m, handle)
			}
		}
	}()
	return nil
}

func (b *bus) answer(m message, handle func(message) (string, error)) {
	result, err := handle(m)
	if m.MsgID == "" {
		return
	}
	reply := message{MsgID: m.MsgID, Result: result, Ending: true}
	if err != nil {
		failure, _ := json.Marshal(map[string]string{"class": "Error", "module": "demo", "message": err.Error()})
		text := string(failure)
		reply.Failure = &text
	}
	_ = b.publish("", m.ReplyQ, reply, 0) // the caller's timeout tells it
}

func (b *bus) publish(to, key string, m message, timeout time.Duration) error {
	m.Unique = newID()
	inner, err := json.Marshal(m)
	if err != nil {
		return err
	}
	body, err := json.Marshal(envelope{Version: "2.0", Message: string(inner)})
	if err != nil {
		return err
	}
	p := amqp.Publishing{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, Body: body}
	if timeout > 0 {
		p.Expiration = strconv.FormatInt(timeout.Milliseconds(), 10)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.channel.PublishWithContext(context.Background(), to, key, false, false, p)
}

func decode(body []byte) (m message, err error) {
	var e envelope
	if err = json.Unmarshal(body, &e); err == nil {
		err = json.Unmarshal([]byte(e.Message), &m)
	}
	return m, err
}

func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return hex.EncodeToString(raw[:])
}
