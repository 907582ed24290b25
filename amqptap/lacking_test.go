package amqptap

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

// Each right for itself is told of when it is missing, with the step that failed; the command that the log names mends it, and no more is needed.
func TestEachRightThatIsMissingIsNamedWithItsRemedy(t *testing.T) {
	node := broker(t)
	const own, read = `^tap\.`, `^(tap\.|amq\.rabbitmq\.trace$)`
	for name, c := range map[string]struct {
		rights rabbit.Rights
		doing  string
	}{
		"configure":             {rabbit.Rights{"^$", own, read}, declaring},
		"write":                 {rabbit.Rights{own, "^$", read}, binding(firehoseExchange)},
		"read-of-its-queue":     {rabbit.Rights{own, own, `^amq\.rabbitmq\.trace$`}, consuming},
		"read-of-the-firehose":  {rabbit.Rights{own, own, own}, binding(firehoseExchange)},
		"rights-for-other-name": {rabbit.Rights{"^other", "^other", read}, declaring},
	} {
		t.Run(name, func(t *testing.T) {
			node.AddUser(t, "lacks", "pw-canary", "")
			node.Allow(t, "/", "lacks", c.rights)
			tap := start(t, &Source{URL: node.URLFor("lacks", "pw-canary")})
			_, fields := tap.awaitLog(t, "cannot tap the broker")
			require.Contains(t, fields["error"], c.doing+": ")
			require.Contains(t, fields["error"], "ACCESS_REFUSED")
			require.NotContains(t, dump(fields), "canary")
			tap.mends(t, node.Ctl, fields["advice"].(string))
			tap.seesCalls(t, node.URL(), "mended."+name, 1)
			require.Equal(t, 1, tap.logs.FilterMessageSnippet("cannot tap").Len(), "told once")
		})
	}
}

// An administrator takes a right away from a tap that runs: at its next connection it is told of like any other.
func TestARightTakenAwayLaterIsNamedToo(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "loses", "pw-canary", "")
	node.Allow(t, "/", "loses", rabbit.Tap)
	tap := start(t, &Source{URL: node.URLFor("loses", "pw-canary")})
	tap.awaitConnected(t)
	node.Ctl(t, "clear_permissions", "loses")
	tap.seesCalls(t, node.URL(), "still.seen", 1)
	node.Ctl(t, "close_all_user_connections", "loses", "to see it come back")
	_, fields := tap.awaitLog(t, "cannot tap the broker")
	require.Contains(t, fields["error"], "access to vhost '/' refused")
	tap.mends(t, node.Ctl, fields["advice"].(string))
	tap.seesCalls(t, node.URL(), "given.again", 1)
}

// mends runs the set_permissions of an advice, after which the tap must connect.
func (tap *tapped) mends(t *testing.T, ctl func(testing.TB, ...string) string, advice string) {
	t.Helper()
	at := strings.Index(advice, "rabbitmqctl set_permissions ")
	require.GreaterOrEqual(t, at, 0, advice)
	ctl(t, shellWords(t, strings.TrimPrefix(advice[at:], "rabbitmqctl "))...)
	tap.awaitConnected(t)
}
