package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// Messages of which the broker cannot make a copy for the tap: it drops the tap. That costs the programs nothing, and the tap
// comes back by and by, however long they go on.
func TestMessagesOfWhichThereIsNoCopy(t *testing.T) {
	t.Parallel()
	theBroker(t)
	for _, c := range []struct{ name, reader, queue, headers, log string }{
		{"a queue of 250 bytes", "inplace", strings.Repeat("q", 250), "", "INTERNAL_ERROR"},
		{"headers of 128 KiB", "inplace", "q", strings.Repeat("h", 130_800), "frame size exceeds"},
		{"headers of 128 KiB", "library", "q", strings.Repeat("h", 130_800), "frame size exceeds"},
	} {
		t.Run(c.name+"-"+c.reader, func(t *testing.T) {
			t.Parallel()
			node := theBroker(t)
			vhost := newVHost(t, node)
			address := node.URL() + vhost
			serve(t, address)
			tap := startTap(t, addressOf(node.Port, vhost), "reader "+c.reader)
			awaitBound(t, tap)
			l := startLoad(t, address, "storm", Options{})
			http := startVisitors(t, tap)

			const storm = 6 * time.Second
			sent := poisonFor(t, address, c.queue, amqp.Table{"h": c.headers}, storm)
			l.enter("after")
			l.await(t, "after", 10)
			s := awaitBound(t, tap)
			l.enter("seen")
			l.await(t, "seen", 20)
			l.stop()
			requireUnhurt(t, l.all())
			requireWhole(t, tap, l.of("seen"))
			http.requireServed(t, tap)
			requireLogged(t, tap, "not connected to the broker", c.log, "no other client is affected")
			t.Logf("%d messages in %s, each confirmed and received; the tap connected %d times", sent, storm, s.Connects)
			require.Greater(t, s.Connects, 1, "the broker took no offence, so this test shows nothing")
			require.LessOrEqual(t, s.Connects, 7, "it loops hot: after 0.5, 1, 2, 4 s, less at most half of each, it may be back")
		})
	}
}

// poisonFor sends a program's messages to a queue of its own for so long, and sees each confirmed and come back.
func poisonFor(t testing.TB, address, queue string, headers amqp.Table, d time.Duration) (sent int) {
	t.Helper()
	c := dial(t, address)
	_, err := c.ch.QueueDeclare(queue, false, true, true, false, nil)
	require.NoError(t, err)
	in, err := c.ch.Consume(queue, "", true, true, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, c.ch.QueueBind(queue, "poison", exchange, false, nil))
	for end := time.Now().Add(d); time.Now().Before(end); sent++ {
		o := outcome{began: time.Now()}
		require.Empty(t, c.publish(&o, "poison", amqp.Publishing{Headers: headers, Body: []byte("x")}))
		select {
		case got := <-in:
			require.Equal(t, headers, got.Headers)
		case <-time.After(patience):
			t.Fatal("a message did not arrive")
		}
		pause(t.Context(), 50*time.Millisecond)
	}
	return sent
}

// sample is a message that a real program published.
type sample struct {
	exchange, key string
	publishing    amqp.Publishing
}

// samplesOf reads the publications of a dialect's captures.
func samplesOf(t testing.TB, dialect string) (all []sample) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(), "integration", "testdata", dialect, "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dialect)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for in := bufio.NewReader(bytes.NewReader(text)); ; {
			line, err := in.ReadBytes('\n')
			if s, ok := parseSample(t, line); ok {
				all = append(all, s)
			}
			if err == io.EOF {
				break
			}
		}
	}
	return all
}

func parseSample(t testing.TB, line []byte) (s sample, ok bool) {
	var l struct {
		Key     string `json:"routing_key"`
		Headers struct {
			Exchange   string         `json:"exchange_name"`
			Keys       []string       `json:"routing_keys"`
			Properties map[string]any `json:"properties"`
		} `json:"headers"`
		Body []byte `json:"body_b64"`
	}
	if len(line) == 0 {
		return s, false
	}
	require.NoError(t, json.Unmarshal(line, &l))
	if !strings.HasPrefix(l.Key, "publish.") || strings.HasPrefix(l.Headers.Keys[0], "amq.rabbitmq.") {
		return s, false // a direct reply goes to a program of then
	}
	p := l.Headers.Properties
	text := func(name string) string { v, _ := p[name].(string); return v }
	headers, _ := p["headers"].(map[string]any)
	return sample{l.Headers.Exchange, l.Headers.Keys[0], amqp.Publishing{
		Headers: tableOf(headers), ContentType: text("content_type"), ReplyTo: text("reply_to"), CorrelationId: text("correlation_id"),
		Expiration: text("expiration"), MessageId: text("message_id"), Type: text("type"), Body: l.Body,
	}}, true
}

// tableOf makes of JSON what the client library takes.
func tableOf(m map[string]any) amqp.Table {
	table := amqp.Table{}
	for name, v := range m {
		table[name] = fieldOf(v)
	}
	return table
}

func fieldOf(v any) any {
	switch x := v.(type) {
	case map[string]any:
		return tableOf(x)
	case []any:
		all := make([]any, len(x))
		for i := range x {
			all[i] = fieldOf(x[i])
		}
		return all
	case float64:
		if x == math.Trunc(x) {
			return int64(x)
		}
	}
	return v
}

// poisoned are bodies that a message may come with, made from its own.
func poisoned(random *rand.Rand, body []byte) (all [][]byte) {
	for range 4 {
		all = append(all, body[:random.IntN(len(body)+1)]) // cut off
		bad := bytes.Clone(body)
		for i := range bad {
			if random.IntN(10) == 0 {
				bad[i] = byte(random.Uint32())
			}
		}
		all = append(all, bad)
	}
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	deep := strings.Repeat(`{"a":[`, 20_000)
	return append(all, nil, noise, []byte("null"), []byte("[[[]"), []byte(deep),
		bytes.ReplaceAll(body, []byte(": "), []byte(": "+deep)),
		append(bytes.Clone(body[:len(body)/2]), deep...),
		append(bytes.Clone(body), make([]byte, 1<<20)...))
}

// Whatever comes in the clothes of a dialect is counted, and what comes next is read as before: messages that the same library
// sent, and the calls of programs.
func TestPoisonInTheClothesOfEachDialect(t *testing.T) {
	t.Parallel()
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	tap := startTap(t, addressOf(node.Port, vhost))
	awaitBound(t, tap)
	program := dial(t, address)
	mean := newSender(t, address)
	calls := 0
	for _, dialect := range []string{"oslo", "nameko", "celery", "masstransit", "spring", "moleculer", "jsonrpc", "plain"} {
		random := rand.New(rand.NewPCG(1, uint64(len(dialect))))
		samples := samplesOf(t, dialect)
		before := statusOf(t, tap)
		for _, s := range samples {
			mean.send(s)
		}
		sound := mean.seen(t, tap, before)

		for _, s := range samples[:min(len(samples), 12)] {
			for _, body := range poisoned(random, s.publishing.Body) {
				s.publishing.Body = body
				mean.send(s)
			}
		}
		hurt := mean.seen(t, tap, sound)

		for _, s := range samples {
			mean.send(s)
		}
		after := mean.seen(t, tap, hurt)
		for verdict, n := range sound.Dialects[dialect] {
			require.Equal(t, n-before.Dialects[dialect][verdict], after.Dialects[dialect][verdict]-hurt.Dialects[dialect][verdict],
				"%s: %s, of the same messages, before the poison and after it", dialect, verdict)
		}
		t.Logf("%s: %d samples, %d poisoned; %v, then %v", dialect, len(samples), hurt.Published-sound.Published, sound.Dialects[dialect], hurt.Dialects[dialect])

		o := program.call("ping", topic)
		requireUnhurt(t, []outcome{o})
		requireWhole(t, tap, []outcome{o})
		calls++
	}
	requireCounter(t, "nova.compute.ping.calls", calls)
	s := statusOf(t, tap)
	require.Equal(t, 1, s.Connects, "a body cost the connection: %s", s.LastError)
	text := fmt.Sprint(s.Dialects)
	for _, reason := range []string{"bad_json", "bad_field", "too_deep", "too_large"} {
		require.Contains(t, text, reason)
	}
}

// sender publishes samples on exchanges of their names, to a queue that takes all and keeps few.
type sender struct {
	t        testing.TB
	ch       *amqp.Channel
	declared map[string]bool
	sent     int64
}

func newSender(t testing.TB, address string) *sender {
	conn, ch, err := open(address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = ch.QueueDeclare("all", false, true, true, false, amqp.Table{"x-max-length": int32(10)})
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	return &sender{t: t, ch: ch, declared: map[string]bool{"": true, exchange: true}}
}

func (s *sender) send(m sample) {
	s.t.Helper()
	if !s.declared[m.exchange] {
		s.declared[m.exchange] = true
		require.NoError(s.t, s.ch.ExchangeDeclare(m.exchange, "fanout", false, true, false, false, nil))
		require.NoError(s.t, s.ch.QueueBind("all", "", m.exchange, false, nil))
	}
	confirm, err := s.ch.PublishWithDeferredConfirm(m.exchange, m.key, false, false, m.publishing)
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ok, err := confirm.WaitContext(ctx)
	require.NoError(s.t, err)
	require.True(s.t, ok, "the broker refused a program's message")
	s.sent++
}

// seen waits until the tap has counted all that was sent since, and forgets how much that was.
func (s *sender) seen(t testing.TB, c *harness.Calltap, since tapStatus) tapStatus {
	t.Helper()
	want := since.Published + s.sent
	s.sent = 0
	return awaitStatus(t, c, fmt.Sprintf("not all of %d messages were seen", want), func(s tapStatus) bool { return s.Published >= want })
}
