package amqptap

import (
	"os"
	"regexp"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

// rightsIn matches what a page says that an administrator is to type, by the name of the option that needs it:
//
//	<!-- rights: NAME -->
//	```sh
//	rabbitmqctl …
//	```
var rightsIn = regexp.MustCompile("<!-- rights: (\\w+) -->\n```sh\n((?:rabbitmqctl .*\n)+)```\n")

// documentedRights are the command lines of all pages, by option.
func documentedRights(t *testing.T) map[string][]string {
	t.Helper()
	rights := map[string][]string{}
	for _, page := range []string{"../docs/rabbitmq.md", "../docs/rpc.md"} {
		text, err := os.ReadFile(page)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		for _, m := range rightsIn.FindAllStringSubmatch(string(text), -1) {
			lines := strings.Split(strings.TrimSpace(m[2]), "\n")
			if had := rights[m[1]]; had != nil {
				require.Equal(t, had, lines, "the pages differ about the rights of %s", m[1])
			}
			rights[m[1]] = lines
		}
	}
	for _, option := range []string{"firehose", "mirror", "management", "monitoring", "trace", "certificate"} {
		require.NotEmpty(t, rights[option], "no page tells the rights of %s", option)
	}
	return rights
}

// typed runs the documented lines of an option.
func typed(t *testing.T, node *rabbit.Node, lines []string) {
	t.Helper()
	for _, line := range lines {
		node.Ctl(t, shellWords(t, strings.TrimPrefix(line, "rabbitmqctl "))...)
	}
}

// An operator who types what the page says has a tap that works, and one that can do no more than it must.
func TestTheDocumentedRightsAreAllThatIsNeeded(t *testing.T) {
	t.Parallel()
	rights := documentedRights(t)
	node := rabbit.Start(t, "rabbitmq_management") // the firehose of the shared one is on
	url := node.URLFor("tap", "PASSWORD")

	typed(t, node, rights["firehose"])
	tap := start(t, &Source{URL: url, Management: node.Management()})
	tap.awaitConnected(t)
	tap.seesCalls(t, node.URL(), "firehose", 3)
	for _, denied := range []func(*amqp.Channel) error{
		func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("conductor", false, true, false, false, nil)
			return err
		},
		func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare("mine", "topic", false, true, false, false, nil)
		},
		func(ch *amqp.Channel) error { return ch.QueueBind("tap.x", "#", "amq.topic", false, nil) },
	} {
		c := dial(t, url)
		_, err := c.ch.QueueDeclare("tap.x", false, true, true, false, nil)
		require.NoError(t, err)
		require.ErrorContains(t, denied(c.ch), "ACCESS_REFUSED")
		require.NoError(t, c.conn.Close())
	}

	tap.awaitStatus(t, "no tag", func(s Status) bool { return strings.Contains(s.Unknown["alarms"], "401") })
	typed(t, node, rights["management"])
	askForNames := func() { tap.nowRunning().names.unknown.Store(true) } // else that is done within half a minute
	s := tap.awaitStatus(t, "management", func(s Status) bool {
		askForNames()
		return s.Unknown["alarms"] == "" && s.Unknown[askedNames] == ""
	})
	require.Empty(t, s.Alarms)
	tap.nowRunning().recheck()
	tap.awaitStatus(t, "the firehose of the one node", func(s Status) bool { return s.Tracing[node.Name()].State == "on" })

	dialNamed(t, node.URL(), "nova-compute:77:59452e5e-b37b-4fae-81f6-79d9cd3fa8e5")
	typed(t, node, rights["monitoring"])
	tap.awaitStatus(t, "connections of others", func(Status) bool {
		askForNames()
		for _, c := range *tap.nowRunning().names.table.Load() {
			if c.Service == "nova-compute" {
				return true
			}
		}
		return false
	})
	require.NoError(t, tap.Stop())

	node.Ctl(t, "trace_off")
	typed(t, node, rights["trace"])
	admin := strings.Replace(node.Management(), "http://", "http://tap-admin:PASSWORD@", 1)
	lit := start(t, &Source{URL: url, Management: admin, Trace: true})
	lit.awaitStatus(t, "trace on", func(s Status) bool { return s.Tracing[node.Name()].ByUs })
	lit.seesCalls(t, node.URL(), "lit", 3)
	require.NoError(t, lit.Stop())
	require.False(t, vhostOf(t, node).Tracing)

	node.Ctl(t, "delete_user", "tap")
	typed(t, node, rights["mirror"])
	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("nova", "topic", false, true, false, false, nil))
	mirror := start(t, &Source{URL: url, Mirror: []Binding{{"nova", []string{"conductor"}}}, AcceptChanges: true})
	mirror.awaitStatus(t, "bound", func(s Status) bool { return s.Bound })
}
