package amqptap

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// patience is how long a live test waits for what must come.
const patience = time.Minute

// stopsWithin is how long Stop may take where whatever it might wait for takes longer: two seconds, and as much again on a loaded machine.
const stopsWithin = 4 * time.Second

// collector is a Sink that keeps all.
type collector struct {
	mu    sync.Mutex
	spans []span.Span
}

func (c *collector) Offer(s *span.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, *s)
}

// named returns the spans of that name.
func (c *collector) named(name string) (found []span.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func (c *collector) tracer(t testing.TB) *spanbuilder.Tracer {
	rules, err := keyrules.Compile(keyrules.Config{})
	require.NoError(t, err)
	return &spanbuilder.Tracer{Rules: rules, Head: sampling.All, Link: spanbuilder.LinkOpenStack, Sink: c}
}

// tapped is a started Source, its spans and its log.
type tapped struct {
	*Source
	collector
	logs *observer.ObservedLogs
}

// start starts a Source that retries fast, and stops it after the test.
func start(t testing.TB, s *Source) *tapped {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	tap := &tapped{Source: s, logs: logs}
	if s.Reader == "" {
		s.Reader = reader
		readers.Store(root(t), true)
	}
	require.NoError(t, s.Provision(caddy.Context{}))
	require.NoError(t, s.Validate())
	s.waits = waits{first: 50 * time.Millisecond, longest: 200 * time.Millisecond, healthy: time.Second, asking: 500 * time.Millisecond}
	s.log = func() *zap.Logger { return zap.New(core) }
	require.NoError(t, s.Start(tap.collector.tracer(t)))
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return tap
}

func (tap *tapped) now() Status { return tap.Source.Status().(Status) }

func (tap *tapped) awaitConnected(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool { return tap.now().Connected }, patience, 10*time.Millisecond, "status: %s", dump(tap.now()))
}

// awaitLog waits for a log entry of that message, and returns it with its fields as text.
func (tap *tapped) awaitLog(t testing.TB, message string) (string, map[string]any) {
	t.Helper()
	var entry observer.LoggedEntry
	logged := func() bool {
		for _, e := range tap.logs.All() {
			if strings.Contains(e.Message, message) {
				entry = e
				return true
			}
		}
		return false
	}
	if !assert.Eventually(t, logged, patience, 10*time.Millisecond, "no log entry %q", message) {
		for _, e := range tap.logs.All() {
			t.Log(e.Time.Format(time.StampMilli), e.Message, dump(e.ContextMap()))
		}
		t.Fatal("status: ", dump(tap.now()))
	}
	return entry.Message, entry.ContextMap()
}

func dump(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// client is a program that the tap watches.
type client struct {
	t    testing.TB
	conn *amqp.Connection
	ch   *amqp.Channel
}

func dial(t testing.TB, url string) *client {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() }) // of a broker that was stopped it fails: no matter
	return &client{t, conn, ch}
}

func (c *client) queue(name string) string {
	q, err := c.ch.QueueDeclare(name, false, true, false, false, nil)
	require.NoError(c.t, err)
	return q.Name
}

func (c *client) publish(exchange, key string, p amqp.Publishing) {
	require.NoError(c.t, c.ch.PublishWithContext(context.Background(), exchange, key, false, false, p))
}

// serve answers the requests of a queue until the connection ends.
func (c *client) serve(queue string) {
	c.queue(queue)
	in, err := c.ch.Consume(queue, "", true, false, false, false, nil)
	require.NoError(c.t, err)
	go func() {
		for d := range in {
			_ = c.ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false,
				amqp.Publishing{CorrelationId: d.CorrelationId, Body: []byte(`{"result": 1}`)})
		}
	}()
}

// call makes n calls of a method, one after the other, and awaits their replies.
func (c *client) call(queue, method string, n int) {
	c.t.Helper()
	replies := c.queue("")
	in, err := c.ch.Consume(replies, "", true, false, false, false, nil)
	require.NoError(c.t, err)
	for i := range n {
		c.publish("", queue, amqp.Publishing{ReplyTo: replies, CorrelationId: fmt.Sprint(method, i), Body: fmt.Appendf(nil, `{"method": %q}`, method)})
		select {
		case <-in:
		case <-time.After(patience):
			c.t.Fatal("no reply")
		}
	}
}

// seesCalls proves that the tap is at work: n new calls become n pairs of spans.
func (tap *tapped) seesCalls(t testing.TB, url, method string, n int) {
	t.Helper()
	server, c := dial(t, url), dial(t, url)
	server.serve("q." + method)
	c.call("q."+method, method, n)
	require.Eventually(t, func() bool { return len(tap.named(method)) >= 2*n }, patience, 10*time.Millisecond, "status: %s", dump(tap.now()))
	kinds := map[span.Kind]int{}
	for _, s := range tap.named(method) {
		kinds[s.Kind]++
		require.Empty(t, s.Error)
	}
	require.Equal(t, map[span.Kind]int{span.KindClient: n, span.KindServer: n}, kinds)
}
