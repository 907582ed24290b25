package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// recorded is one message of testdata/nova-boot.jsonl as it was published.
type recorded struct {
	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routing_key"`
	Queue      string `json:"queue"` // to which it was routed
	Properties struct {
		Priority    uint8          `json:"priority"`
		Mode        uint8          `json:"delivery_mode"`
		Encoding    string         `json:"content_encoding"`
		Type        string         `json:"content_type"`
		Expiration  string         `json:"expiration"`
		HeaderTable map[string]any `json:"headers"`
	} `json:"properties"`
	Body string `json:"body"`
}

// ids that differ between two boots: of the message, of its call, of the request that caused it.
// In the escaped inner JSON they stand between \" and \".
var ids = regexp.MustCompile(`(?:_msg_id|_unique_id)\\": \\"([0-9a-f]{32})\\"|_context_(?:global_)?request_id\\": \\"req-([0-9a-f-]{36})\\"`)

// template is a recorded message and where its ids stand, so that each repetition is a new boot.
type template struct {
	recorded
	at []int
}

// stamp writes the body of repetition n: eight digits of every id are its number.
func (t *template) stamp(n uint32) []byte {
	body := []byte(t.Body)
	for _, at := range t.at {
		copy(body[at:], fmt.Sprintf("%08x", n))
	}
	return body
}

// readBoot reads the messages of one OpenStack boot: 16 requests, 13 replies, 4.0 KB on average.
func readBoot() ([]template, error) {
	file, err := os.Open(filepath.Join(sourceDir(), "testdata", "nova-boot.jsonl"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var boot []template
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var t template
		if err := json.Unmarshal(lines.Bytes(), &t.recorded); err != nil {
			return nil, err
		}
		for _, m := range ids.FindAllStringSubmatchIndex(t.Body, -1) {
			t.at = append(t.at, max(m[2], m[4])) // the group that did not match is -1
		}
		boot = append(boot, t)
	}
	return boot, lines.Err()
}

// sourceDir is this package's folder: `go run` works from any place within the module.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// feeder plays the OpenStack services: it publishes the boots and consumes them, so that the
// broker's firehose tells both of every message.
type feeder struct {
	boot     []template
	conn     *amqp.Connection
	ch       *amqp.Channel
	consumed atomic.Int64
	next     uint32
	sent     int64
}

// startFeeder declares what the capture's broker had: exchanges, queues, bindings and consumers.
func startFeeder(url string) (*feeder, error) {
	boot, err := readBoot()
	if err != nil {
		return nil, err
	}
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	f := &feeder{boot: boot, conn: conn}
	if f.ch, err = conn.Channel(); err == nil {
		err = f.declare()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return f, nil
}

func (f *feeder) declare() error {
	for name, kind := range map[string]string{"nova": "topic", "scheduler_fanout": "fanout"} {
		if err := f.ch.ExchangeDeclare(name, kind, false, true, false, false, nil); err != nil {
			return err
		}
	}
	consumers, err := f.conn.Channel()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range f.boot {
		if seen[t.Queue] {
			continue
		}
		seen[t.Queue] = true
		if _, err := f.ch.QueueDeclare(t.Queue, false, true, false, false, nil); err != nil {
			return err
		}
		if t.Exchange != "" {
			if err := f.ch.QueueBind(t.Queue, t.RoutingKey, t.Exchange, false, nil); err != nil {
				return err
			}
		}
		got, err := consumers.Consume(t.Queue, "", true, false, false, false, nil)
		if err != nil {
			return err
		}
		go func() {
			for range got {
				f.consumed.Add(1)
			}
		}()
	}
	return nil
}

// inFlight boots overlap: a reply is published this many boots after its request, as if so many
// were going on at once. Otherwise replies would overtake the deliveries of their requests.
const inFlight = 20

// play publishes n new boots and waits until all of their messages are consumed.
func (f *feeder) play(ctx context.Context, n int) error {
	first := f.next
	f.next += uint32(n)
	for i := range n + inFlight {
		for j := range f.boot {
			t := &f.boot[j]
			k := i
			if t.Exchange == "" {
				k -= inFlight
			}
			if k < 0 || k >= n {
				continue
			}
			if err := f.publish(ctx, t, t.stamp(first+uint32(k)), t.Properties.Expiration); err != nil {
				return err
			}
		}
	}
	return f.settle(ctx)
}

// publish sends one message with the recorded properties.
func (f *feeder) publish(ctx context.Context, t *template, body []byte, expiration string) error {
	f.sent++
	p := t.Properties
	return f.ch.PublishWithContext(ctx, t.Exchange, t.RoutingKey, false, false, amqp.Publishing{
		Headers: amqp.Table{}, ContentType: p.Type, ContentEncoding: p.Encoding,
		DeliveryMode: p.Mode, Priority: p.Priority, Expiration: expiration, Body: body,
	})
}

// call gives one of the calls: it names a reply queue, so that its sender waits.
func (f *feeder) call() *template {
	for i := range f.boot {
		if f.boot[i].Properties.Expiration == "60000" {
			return &f.boot[i]
		}
	}
	return nil
}

// settle waits until the receivers have got everything.
func (f *feeder) settle(ctx context.Context) error {
	err := until(ctx, 60*time.Second, "the messages to be consumed", func() bool {
		return f.consumed.Load() >= f.sent || f.conn.IsClosed()
	})
	if f.conn.IsClosed() {
		return errors.New("the broker closed the feeder's connection")
	}
	return err
}

func (f *feeder) close() { f.conn.Close() }
