package amqptap

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/calltap/calltap/integration/rabbit"
	"github.com/calltap/calltap/span"
)

func TestCallsOnTheFirehoseBecomePairs(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "pairs", 20)
	s := tap.now()
	require.Equal(t, "firehose", s.Mode)
	require.NotEmpty(t, s.Server)
	require.NotEmpty(t, s.LastEvent)
	require.EqualValues(t, 20, s.Pairer.Calls)
	require.NotContains(t, dump(s), "guest:guest")
}

func TestTheQueueCannotHarmTheBroker(t *testing.T) {
	node := broker(t)
	before := node.Ctl(t, "list_exchanges", "name", "type")
	tap := start(t, &Source{URL: node.URL(), MaxLength: 1234, MaxBytes: 2 << 20})
	tap.awaitConnected(t)

	queue := node.Ctl(t, "list_queues", "name", "durable", "exclusive", "type", "arguments")
	require.Contains(t, queue, tap.now().Queue)
	for _, want := range []string{"false\ttrue\tclassic", `"x-max-length",1234`, `"x-max-length-bytes",2097152`, `"x-overflow","drop-head"`, `"x-message-ttl",30000`, `"x-expires",60000`} {
		require.Contains(t, queue, want)
	}
	require.Equal(t, before, node.Ctl(t, "list_exchanges", "name", "type"), "the tap declared an exchange")
	connections := node.Ctl(t, "list_connections", "client_properties", "channels", "channel_max", "timeout")
	host, _ := os.Hostname()
	require.Contains(t, connections, `"connection_name","calltap/`+host)
	require.Contains(t, connections, "\t1\t1\t10")
	consumers := node.Ctl(t, "list_consumers", "queue_name", "ack_required", "prefetch_count")
	require.Contains(t, consumers, tap.now().Queue+"\ttrue\t1000")

	queueName := tap.now().Queue
	require.NoError(t, tap.Stop())
	require.NotContains(t, node.Ctl(t, "list_queues", "name"), queueName, "the queue outlived the tap")
}

func TestBrokerRestartInMidStream(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "before", 50)

	node.Stop(t)
	require.Eventually(t, func() bool { return !tap.now().Connected }, patience, 10*time.Millisecond)
	node.Boot(t)
	node.Ctl(t, "trace_on")
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "after", 50)

	require.Len(t, tap.named("before"), 100, "spans doubled")
	ids := map[span.ID]bool{}
	for _, s := range append(tap.named("before"), tap.named("after")...) {
		require.False(t, ids[s.ID], "span %s twice", s.ID)
		ids[s.ID] = true
	}
	outage := tap.logs.FilterMessageSnippet("not connected").Len()
	require.LessOrEqual(t, outage, 8, "the log is told of each attempt, of which there are five a second") // lost, refused, and what a half-booted broker may say
	require.Equal(t, 2, tap.logs.FilterMessage("tapping the broker").Len())
	require.EqualValues(t, 2, tap.now().Connects)
}

func TestBrokerThatComesLaterThanTheTap(t *testing.T) {
	node := broker(t)
	node.Crash()
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitLog(t, "not connected to the broker")
	require.Contains(t, tap.now().LastError, "connection refused")
	node.Boot(t)
	node.Ctl(t, "trace_on")
	tap.awaitConnected(t)
	require.Empty(t, tap.now().LastError)
	tap.seesCalls(t, node.URL(), "late", 1)
}

func TestWrongPasswordIsToldWithTheRemedyAndWithoutThePassword(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "forgetful", "right horse", "")
	t.Setenv("TAP_PASSWORD", "s3cr#t/pass@word")
	tap := start(t, &Source{URL: strings.Replace(node.URLFor("forgetful", "X"), "X", "{env.TAP_PASSWORD}", 1)})
	_, fields := tap.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["advice"], "rabbitmqctl add_user 'forgetful' PASSWORD (or change_password 'forgetful' PASSWORD)")
	require.Contains(t, fields["error"], "ACCESS_REFUSED")
	require.False(t, tap.now().Connected)
	for _, e := range tap.logs.All() {
		require.NotContains(t, dump(e.ContextMap())+e.Message, "s3cr")
	}
	require.NotContains(t, dump(tap.now()), "s3cr")

	node.Ctl(t, "change_password", "forgetful", "s3cr#t/pass@word")
	node.Allow(t, "/", "forgetful", rabbit.All)
	tap.awaitConnected(t)
}

func TestMissingExchangeIsToldAndAwaited(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL(), Mirror: []Binding{{Exchange: "nova-late", Keys: []string{"conductor"}}}, AcceptChanges: true})
	_, fields := tap.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["error"], "NOT_FOUND")
	require.Contains(t, fields["advice"], `has no exchange "nova-late"`)
	require.Contains(t, fields["advice"], "the tap declares none")

	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("nova-late", "topic", false, true, false, false, nil))
	tap.awaitConnected(t)
	require.Equal(t, 1, tap.logs.FilterMessageSnippet("cannot tap").Len(), "told once")
	tap.awaitLog(t, "MIRROR MODE CHANGES WHAT THE WATCHED PROGRAMS SEE")

	c.publish("nova-late", "conductor", amqp.Publishing{Expiration: "60000", Body: []byte(
		`{"oslo.version": "2.0", "oslo.message": "{\"method\": \"mirrored\", \"_msg_id\": \"1\", \"_reply_q\": \"reply_1\", \"_unique_id\": \"2\"}"}`)})
	c.publish("nova-late", "scheduler", amqp.Publishing{Body: []byte(`{"method": "unwanted"}`)})
	require.Eventually(t, func() bool { return len(tap.named("mirrored")) == 1 }, patience, 10*time.Millisecond)
	require.EqualValues(t, 1, tap.now().Published)
}

func TestTheAdviceForMissingRightsIsAllThatIsNeeded(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("it's", "topic", false, true, false, false, nil))
	for name, s := range map[string]*Source{
		"firehose": {},
		"mirror":   {Mirror: []Binding{{Exchange: "it's", Keys: []string{"#"}}}, Queue: "own+tap.", AcceptChanges: true},
	} {
		t.Run(name, func(t *testing.T) {
			node.AddUser(t, "least", "pw", "")
			s.URL = node.URLFor("least", "pw")
			tap := start(t, s)
			_, fields := tap.awaitLog(t, "cannot tap the broker") // no access to the vhost
			line, ok := strings.CutPrefix(fields["advice"].(string)[strings.Index(fields["advice"].(string), "rabbitmqctl set_permissions"):], "rabbitmqctl ")
			require.True(t, ok)
			node.Ctl(t, shellWords(t, line)...)
			tap.awaitConnected(t)

			least := dial(t, s.URL) // and no more than is needed
			_, err := least.ch.QueueDeclare("conductor", false, true, false, false, nil)
			require.ErrorContains(t, err, "ACCESS_REFUSED")
		})
	}
}

func TestRightsThatMissTheExchange(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "half", "pw", "")
	node.Allow(t, "/", "half", rabbit.Rights{`^tap\.`, `^tap\.`, `^tap\.`})
	tap := start(t, &Source{URL: node.URLFor("half", "pw")})
	_, fields := tap.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["error"], "binding the queue to exchange amq.rabbitmq.trace")
	require.Contains(t, fields["advice"], `rabbitmqctl set_permissions -p '/' 'half' '^tap\.' '^tap\.' '^(tap\.|amq\.rabbitmq\.trace$)'`)
}

func TestMissingVHost(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL() + "nowhere"})
	_, fields := tap.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["advice"], "rabbitmqctl add_vhost 'nowhere'")
}

func TestPolicyThatMakesTheQueueDangerous(t *testing.T) {
	node := broker(t)
	node.Ctl(t, "set_policy", "all-of-them", ".*", `{"dead-letter-exchange": "amq.fanout", "overflow": "reject-publish"}`, "--apply-to", "queues")
	t.Cleanup(func() { node.Ctl(t, "clear_policy", "all-of-them") })
	tap := start(t, &Source{URL: node.URL(), Management: node.Management()})
	_, fields := tap.awaitLog(t, "A POLICY MAKES THE TAP'S QUEUE DANGEROUS")
	require.Equal(t, "all-of-them", fields["policy"])
	require.Equal(t, "dead-letter-exchange: amq.fanout", fields["definition"])
	require.Eventually(t, func() bool {
		return tap.logs.FilterField(zap.String("definition", "overflow: reject-publish")).Len() == 1
	}, patience, 10*time.Millisecond)
	tap.seesCalls(t, node.URL(), "policed", 1)
}

func TestManagementThatMayNotBeUsed(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "untagged", "pw-of-untagged", "")
	node.Allow(t, "/", "untagged", rabbit.All)
	tap := start(t, &Source{URL: node.URLFor("untagged", "pw-of-untagged"), Management: node.Management()})
	_, fields := tap.awaitLog(t, "the management API does not tell")
	require.Contains(t, fields["error"], "401")
	require.Contains(t, fields["advice"], "rabbitmqctl set_user_tags 'untagged' m")
	tap.seesCalls(t, node.URL(), "unchecked", 1)
}

func TestReloadKeepsConnectionAndOpenCalls(t *testing.T) {
	node := broker(t)
	old := start(t, &Source{URL: node.URL()})
	old.awaitConnected(t)
	c, server := dial(t, node.URL()), dial(t, node.URL())
	server.queue("q.open")
	c.publish("", "q.open", amqp.Publishing{ReplyTo: c.queue(""), CorrelationId: "7", Body: []byte(`{"method": "open"}`)})
	require.Eventually(t, func() bool { return old.now().Pairer.Open == 1 }, patience, 10*time.Millisecond)

	renewed := start(t, &Source{URL: node.URL()})
	require.NoError(t, old.Stop())
	d, ok, err := server.ch.Get("q.open", true)
	require.NoError(t, err)
	require.True(t, ok)
	server.publish("", d.ReplyTo, amqp.Publishing{CorrelationId: d.CorrelationId})
	require.Eventually(t, func() bool { return len(renewed.named("open")) > 0 }, patience, 10*time.Millisecond)
	require.Empty(t, old.named("open"), "the old configuration got a span of the new one")
	require.EqualValues(t, 1, renewed.now().Connects)

	failed := start(t, &Source{URL: node.URL()}) // a reload that comes to nothing
	require.NoError(t, failed.Stop())
	renewed.seesCalls(t, node.URL(), "afterwards", 1)
	require.Empty(t, failed.named("afterwards"))
}

func TestStopEndsOpenCallsInTime(t *testing.T) {
	node := broker(t)
	tap := start(t, &Source{URL: node.URL()})
	tap.awaitConnected(t)
	c := dial(t, node.URL())
	c.publish("", c.queue("q.never"), amqp.Publishing{ReplyTo: c.queue(""), CorrelationId: "7", Body: []byte(`{"method": "never"}`)})
	require.Eventually(t, func() bool { return tap.now().Pairer.Open == 1 }, patience, 10*time.Millisecond)
	began := time.Now()
	require.NoError(t, tap.Stop())
	require.Less(t, time.Since(began), stopsWithin)
	require.NotEmpty(t, tap.named("never"))
}

func TestMissingVariableIsAnErrorOfStart(t *testing.T) {
	s := &Source{URL: "amqp://tap:{env.CALLTAP_NO_SUCH_VARIABLE}@127.0.0.1/"}
	require.NoError(t, s.Provision(caddy.Context{}))
	require.NoError(t, s.Validate())
	require.EqualError(t, s.Start(nil), "rabbitmq: url: placeholder {env.CALLTAP_NO_SUCH_VARIABLE} is unknown or empty")
	require.NoError(t, s.Stop())
	require.False(t, s.Status().(Status).Connected)
}

// shellWords splits a command line as a shell does, by asking one.
func shellWords(t *testing.T, line string) []string {
	script := filepath.Join(t.TempDir(), "words")
	require.NoError(t, os.WriteFile(script, []byte(`for w in `+line+`; do printf '%s\n' "$w"; done`), 0o600))
	out, err := exec.Command("/bin/sh", script).Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
