package amqptap

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/integration/rabbit"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// hasty is a watchdog that decides within seconds.
func hasty() *Watchdog {
	return &Watchdog{Lag: caddy.Duration(time.Second), For: caddy.Duration(time.Second), Pause: caddy.Duration(time.Second)}
}

// awaitStatus waits for a status.
func (tap *tapped) awaitStatus(t testing.TB, what string, ok func(Status) bool) Status {
	t.Helper()
	var s Status
	require.Eventually(t, func() bool { s = tap.now(); return ok(s) }, 2*patience, 20*time.Millisecond, "%s; status: %s", what, dump(tap.now()))
	return s
}

// bindingsOf are those of the tap's queue in a vhost, as the broker tells.
func bindingsOf(t testing.TB, node *rabbit.Node, vhost, queue string) (found []string) {
	t.Helper()
	var all []struct {
		Source, Destination string
		Key                 string `json:"routing_key"`
	}
	require.NoError(t, node.Ask(http.MethodGet, "/api/bindings/"+url.PathEscape(vhost), nil, &all))
	for _, b := range all {
		if b.Destination == queue && b.Source != "" {
			found = append(found, b.Source+" "+b.Key)
		}
	}
	return found
}

// stuckSink takes no span while it is stuck.
type stuckSink struct {
	gate chan struct{} // closed: it takes all
}

func (s *stuckSink) Offer(*span.Span) { <-s.gate }

// A tap that hangs reads nothing any more, not even the broker's answers.
func TestATapThatHangsLeavesTheBroker(t *testing.T) {
	t.Parallel()
	for _, reader := range []string{"inplace", "library"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			node, vhost := broker(t), "hangs."+reader
			node.AddVHost(t, vhost, true)
			address := node.URL() + vhost
			tap := start(t, &Source{URL: address, Reader: reader, Watchdog: hasty(), MaxLength: 200, Prefetch: 100})
			tap.awaitConnected(t)
			sink := &stuckSink{make(chan struct{})}
			free := func() { close(sink.gate) }
			defer func() { free() }()
			tracer := tap.collector.tracer(t)
			tracer.Sink = sink
			tap.nowRunning().push(tracer)

			c := dial(t, address)
			c.queue("q.flood")
			flood := amqp.Publishing{ReplyTo: "nobody", CorrelationId: "1", Expiration: "1", Body: []byte(`{"method": "flood"}`)}
			require.Eventually(t, func() bool {
				for range 100 {
					c.publish("", "q.flood", flood)
				}
				return tap.now().Watchdog.State == "held"
			}, 2*patience, 100*time.Millisecond, "status: %s", dump(tap.now()))
			queue := tap.now().Queue
			require.Eventually(t, func() bool { return len(bindingsOf(t, node, vhost, queue)) == 0 }, patience, 50*time.Millisecond)

			free()
			free = func() {}
			tap.awaitLog(t, "the tap took its queue off the broker")
			tap.awaitLog(t, "the tap's queue is bound again")
			tap.awaitStatus(t, "back", func(s Status) bool { return s.Connected && s.Bound && s.Watchdog.State == "watching" })
			tap.nowRunning().remove(tracer)
			tap.seesCalls(t, address, "unstuck."+reader, 5)
		})
	}
}

func TestAnAlarmTakesTheTapOffTheBroker(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL(), Management: node.Management(), Watchdog: hasty()})
	tap.awaitConnected(t)
	queue := tap.now().Queue
	require.Len(t, bindingsOf(t, node, "/", queue), 2)
	c := dial(t, node.URL())
	c.publish("", c.queue("q.unseen"), amqp.Publishing{ReplyTo: c.queue(""), CorrelationId: "unseen", Expiration: "12000", Body: []byte(`{"method": "unseen"}`)})
	require.Eventually(t, func() bool { return tap.now().Pairer.Open == 1 }, patience, 10*time.Millisecond)

	node.Ctl(t, "set_vm_memory_high_watermark", "0.00001")
	calm := func() { node.Ctl(t, "set_vm_memory_high_watermark", "0.4") }
	t.Cleanup(calm)
	s := tap.awaitStatus(t, "an alarm", func(s Status) bool { return s.Watchdog.State == "held" && !s.Bound })
	require.Equal(t, []management.Alarm{{Node: node.Name(), Resource: "memory"}}, s.Alarms)
	require.Equal(t, "memory alarm of "+node.Name(), s.Watchdog.Why)
	require.Empty(t, bindingsOf(t, node, "/", queue))
	require.True(t, s.Connected, "the connection stays")

	calm()
	tap.awaitStatus(t, "no alarm", func(s Status) bool { return s.Watchdog.State == "watching" && s.Bound })
	require.Equal(t, queue, tap.now().Queue)
	tap.seesCalls(t, node.URL(), "calm", 5)
	require.Eventually(t, func() bool { return len(tap.named("unseen")) > 0 }, patience, 10*time.Millisecond)
	for _, s := range tap.named("unseen") {
		require.Empty(t, s.Error, "nobody can tell that it was not answered")
	}
}

// returned publishes a mandatory message and reports whether the broker returned it.
func returned(t testing.TB, url, exchange, key string) bool {
	t.Helper()
	c := dial(t, url)
	require.NoError(t, c.ch.Confirm(false))
	returns := c.ch.NotifyReturn(make(chan amqp.Return, 1))
	confirms := c.ch.NotifyPublish(make(chan amqp.Confirmation, 1))
	require.NoError(t, c.ch.PublishWithContext(context.Background(), exchange, key, true, false, amqp.Publishing{Body: []byte(`{"method": "m"}`)}))
	<-confirms // which follows the return
	select {
	case <-returns:
		return true
	default:
		return false
	}
}

func TestAMirrorWithoutConsentChangesNothing(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	for name, kind := range map[string]string{"rpc.topic": "topic", "rpc.direct": "direct", "rpc.fanout": "fanout"} {
		require.NoError(t, c.ch.ExchangeDeclare(name, kind, false, true, false, false, nil))
	}
	require.NoError(t, c.ch.ExchangeDeclare("rpc.alternate", "topic", false, true, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}))
	service := dial(t, node.URL())
	service.queue("conductor")
	for _, exchange := range []string{"rpc.topic", "rpc.direct", "rpc.fanout", "rpc.alternate"} {
		require.NoError(t, service.ch.QueueBind("conductor", "conductor", exchange, false, nil))
	}
	keys := []string{"conductor", "absent", "compute.#"}
	tap := start(t, &Source{URL: node.URL(), Management: node.Management(), Mirror: []Binding{
		{"rpc.topic", keys}, {"rpc.direct", keys[:2]}, {"rpc.fanout", keys[:1]}, {"rpc.alternate", keys[:1]}, {"rpc.missing", keys[:1]},
	}})
	s := tap.awaitStatus(t, "bound", func(s Status) bool { return s.Bound })
	require.ElementsMatch(t, []string{"rpc.topic conductor", "rpc.direct conductor"}, bindingsOf(t, node, "/", s.Queue))
	why := map[string]string{}
	for _, r := range s.Refused {
		why[r.Exchange+" "+r.Key] = r.Why
	}
	require.Equal(t, map[string]string{
		"rpc.topic absent":        "no other queue is bound with it",
		"rpc.topic compute.#":     "it is a pattern, which also takes messages that no service does",
		"rpc.direct absent":       "no other queue is bound with it",
		"rpc.fanout conductor":    "the exchange is of type fanout: it does not go by the key alone",
		"rpc.alternate conductor": "the exchange has the alternate exchange amq.fanout, which then gets less",
		"rpc.missing conductor":   "there is no such exchange",
	}, why)
	require.Zero(t, tap.logs.FilterMessageSnippet("MIRROR MODE CHANGES").Len())

	require.True(t, returned(t, node.URL(), "rpc.topic", "absent"))
	require.True(t, returned(t, node.URL(), "rpc.topic", "compute.one"))
	require.False(t, returned(t, node.URL(), "rpc.topic", "conductor"))
	require.Eventually(t, func() bool { return tap.now().Published == 1 }, patience, 10*time.Millisecond)

	_, err := service.ch.QueueDelete("conductor", false, false, false) // the service goes
	require.NoError(t, err)
	tap.awaitStatus(t, "unbound", func(s Status) bool { return !s.Bound })
	require.True(t, returned(t, node.URL(), "rpc.topic", "conductor"))
}

// Two taps must not take each other for the service.
func TestAnotherTapsQueueJustifiesNoMirror(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("rpc.lonely", "topic", false, true, false, false, nil))
	bold := start(t, &Source{URL: node.URL(), Mirror: []Binding{{"rpc.lonely", []string{"k"}}}, AcceptChanges: true})
	bold.awaitConnected(t)
	shy := start(t, &Source{URL: node.URL(), Management: node.Management(), Mirror: []Binding{{"rpc.lonely", []string{"k"}}}})
	s := shy.awaitStatus(t, "asked", func(s Status) bool { return len(s.Refused) > 0 })
	require.False(t, s.Bound)
}

func TestNamesOfConnectionsBecomeServices(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "watcher", "pw", "monitoring")
	node.Allow(t, "/", "watcher", rabbit.Tap)
	c := dialNamed(t, node.URL(), "nova-compute:4711:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5")
	dialNamed(t, node.URL(), "uwsgi:12:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5")
	tap := start(t, &Source{URL: node.URLFor("watcher", "pw"), Management: node.Management()})
	tap.awaitConnected(t)
	known := tap.nowRunning().names
	name := c.conn.LocalAddr().String() + " -> " + c.conn.RemoteAddr().String()
	require.Eventually(t, func() bool { return known.identify(name).Service != "" }, 2*patience, 50*time.Millisecond)
	require.Equal(t, spanbuilder.Identity{Process: "127.0.0.1/nova-compute:4711", Service: "nova-compute"}, known.identify(name))
	for connection := range *known.table.Load() {
		require.NotEqual(t, "calltap", known.identify(connection).Service, "the tap's own")
	}
}

func dialNamed(t testing.TB, url, name string) *client {
	t.Helper()
	conn, err := amqp.DialConfig(url, amqp.Config{Properties: amqp.Table{"connection_name": name}})
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, ch}
}

// A management API that is broken in whatever way is told of, and nothing else suffers.
func TestAManagementAPIThatIsNone(t *testing.T) {
	t.Parallel()
	node := broker(t)
	for name, answer := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>s3cret-of-the-tap") },
		"hangs":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			at := strings.Replace(server.URL, "http://", "http://tap:s3cret-of-the-tap@", 1)
			s := &Source{URL: node.URL(), Management: at, Trace: true}
			tap := start(t, s)
			tap.awaitConnected(t)
			tap.seesCalls(t, node.URL(), "despite."+name, 3)
			_, fields := tap.awaitLog(t, "the management API does not tell")
			require.NotContains(t, fmt.Sprint(fields), "s3cret")
			tap.awaitStatus(t, "told", func(s Status) bool { return s.Unknown["alarms"] != "" })
			require.NotContains(t, dump(tap.now()), "s3cret")
			began := time.Now()
			require.NoError(t, tap.Stop())
			require.Less(t, time.Since(began), stopsWithin)
		})
	}
}
