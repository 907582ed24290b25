package amqptap

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/integration/rabbit"
)

const exitWorks, exitFails = 0, 1

// checking runs `rabbitmq check` as registered, and returns what it prints and the exit status.
func checking(t *testing.T, args ...string) (stdout string, status int) {
	t.Helper()
	cmd := &cobra.Command{Use: "calltap", SilenceErrors: true}
	sub := &cobra.Command{Use: "rabbitmq"}
	rabbitmqCommand(sub)
	cmd.AddCommand(sub)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"rabbitmq", "check"}, args...))
	err := cmd.ExecuteContext(t.Context())
	switch {
	case err == nil:
		return out.String(), exitWorks
	case strings.Contains(err.Error(), "status 2"):
		return out.String(), exitWarned
	}
	return out.String() + err.Error(), exitFails
}

// findings are the lines of a level about something.
func findings(output string, l level, about string) (found []string) {
	for line := range strings.Lines(output) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == string(l) && words[1] == about {
			found = append(found, strings.Join(words[2:], " "))
		}
	}
	return found
}

func TestCheckFindsNothingAndChangesNothing(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "checked", "pw-of-checked", "monitoring")
	node.Allow(t, "/", "checked", rabbit.Tap)
	state := func() string {
		return node.Ctl(t, "list_queues", "name") + node.Ctl(t, "list_exchanges", "name") + node.Ctl(t, "list_bindings") + node.Ctl(t, "list_vhosts", "name", "tracing")
	}
	before := state()
	out, status := checking(t, node.URLFor("checked", "pw-of-checked"), "--management", node.Management())
	require.Equal(t, exitWorks, status, out)
	require.Equal(t, before, state())
	require.Contains(t, findings(out, levelOK, "connection")[0], "RabbitMQ 3.")
	require.Equal(t, []string{"the user may do all that the tap does"}, findings(out, levelOK, "rights"))
	require.Equal(t, []string{"none"}, findings(out, levelOK, "alarms"))
	require.Equal(t, []string{"none would apply to the tap's queue"}, findings(out, levelOK, "policies"))
	require.Len(t, findings(out, levelOK, "firehose"), 1)
	require.Contains(t, out, "would    bind to     amq.rabbitmq.trace: publish.# deliver.#")
	require.Contains(t, out, "nothing stands against it\n")
	require.NotContains(t, out, "pw-of-checked")
}

func TestCheckWithoutManagementSaysHowToLook(t *testing.T) {
	node := broker(t)
	out, status := checking(t, node.URL())
	require.Equal(t, exitWorks, status, out)
	for _, about := range []string{"firehose", "policies", "alarms"} {
		require.Len(t, findings(out, levelUnknown, about), 1, out)
	}
	require.Contains(t, findings(out, levelNote, "rights")[0], "may also configure queues")
	// What it tells an operator to run can be run.
	for line := range strings.Lines(out) {
		_, commands, ok := strings.Cut(line, "→ rabbitmqctl ")
		if !ok {
			continue
		}
		commands, _, _ = strings.Cut(strings.TrimSpace(commands), ", on each")
		for one := range strings.SplitSeq(commands, "; rabbitmqctl ") {
			node.Ctl(t, shellWords(t, one)...)
		}
	}
}

func TestCheckNamesTheRightThatIsMissing(t *testing.T) {
	node := broker(t)
	node.AddUser(t, "lacking", "pw", "")
	for missing, want := range map[int]string{0: "configure tap.", 1: "bind tap.", 2: "read tap."} {
		rights := rabbit.Tap
		rights[missing] = "^$"
		node.Allow(t, "/", "lacking", rights)
		out, status := checking(t, node.URLFor("lacking", "pw"))
		require.Equal(t, exitFails, status, out)
		require.Contains(t, strings.Join(findings(out, levelError, "rights"), "\n"), "the user may not "+want)

		_, advice, ok := strings.Cut(out, "→ rabbitmqctl ")
		require.True(t, ok)
		advice, _, _ = strings.Cut(advice, "\n")
		node.Ctl(t, shellWords(t, advice)...)
		out, status = checking(t, node.URLFor("lacking", "pw"))
		require.Equal(t, exitWorks, status, out)
	}
}

func TestCheckSeesWhatIsDangerous(t *testing.T) {
	node := broker(t)
	node.AddVHost(t, "dangerous", false)
	node.Ctl(t, "set_policy", "-p", "dangerous", "low", ".*", `{"dead-letter-exchange": "amq.fanout"}`, "--apply-to", "queues", "--priority", "1")
	node.Ctl(t, "set_policy", "-p", "dangerous", "exchanges-only", ".*", `{"alternate-exchange": "amq.fanout"}`, "--apply-to", "exchanges", "--priority", "9")
	node.Ctl(t, "set_operator_policy", "-p", "dangerous", "short", `^tap\.`, `{"max-length": 5}`, "--apply-to", "queues")
	out, status := checking(t, node.URL()+"dangerous", "--management", node.Management())
	require.Equal(t, exitWarned, status, out)
	text := strings.Join(findings(out, levelWarning, "policies"), "\n")
	require.Contains(t, text, `policy "low" would give the tap's queue dead-letter-exchange: amq.fanout`)
	require.NotContains(t, text, "exchanges-only")
	require.Contains(t, strings.Join(findings(out, levelNote, "policies"), ""), `operator policy "short" would apply to the tap's queue: {"max-length":5}`)
	require.Contains(t, findings(out, levelWarning, "firehose")[0], "OFF at "+"calltap-")
	require.Contains(t, out, "trace_on -p 'dangerous'")
	require.Contains(t, out, "it would work; see the warnings\n")
}

func TestCheckOfAMirror(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("checked", "topic", false, true, false, false, nil))
	require.NoError(t, c.ch.QueueBind(c.queue(""), "taken", "checked", false, nil))
	file := filepath.Join(t.TempDir(), "Caddyfile.json")
	text := `{"apps": {"calltap": {"sources": [{"source": "rabbitmq", "url": "` + node.URL() + `", "management": "` + node.Management() + `",
		"mirror": [{"exchange": "checked", "keys": ["taken", "free", "any.#"]}, {"exchange": "absent", "keys": ["k"]}]}]}}}`
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	out, status := checking(t, "--config", file)
	require.Equal(t, exitFails, status, out)
	require.Contains(t, findings(out, levelError, "exchange")[0], "absent")
	require.Equal(t, []string{"checked taken changes nothing: another queue is bound with it"}, findings(out, levelOK, "mirror"))
	require.Contains(t, strings.Join(findings(out, levelWarning, "mirror"), "\n"), "checked free would not be bound: no other queue is bound with it")
	require.Empty(t, findings(out, levelWarning, "firehose"), "a mirror needs none")
}

func TestCheckOfWhatCannotBeReached(t *testing.T) {
	node := broker(t)
	for name, c := range map[string]struct{ url, want string }{
		"no broker":      {"amqp://tap:s3cret@127.0.0.1:1/", "connection refused"},
		"wrong password": {node.URLFor("guest", "s3cret"), "change_password 'guest' PASSWORD"},
		"no vhost":       {node.URL() + "nowhere", "rabbitmqctl add_vhost 'nowhere'"},
	} {
		t.Run(name, func(t *testing.T) {
			out, status := checking(t, c.url)
			require.Equal(t, exitFails, status, out)
			require.Contains(t, out, c.want)
			require.NotContains(t, out, "s3cret")
			require.Contains(t, out, "it would not work; see the errors\n")
		})
	}
}

func TestCheckForMachines(t *testing.T) {
	node := broker(t)
	out, status := checking(t, "--json", node.URL(), "--management", node.Management())
	require.Equal(t, exitWorks, status, out)
	var answer struct {
		Verdict level     `json:"verdict"`
		Sources []checked `json:"sources"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	require.Equal(t, levelOK, answer.Verdict)
	require.Len(t, answer.Sources, 1)
	require.Equal(t, "firehose", answer.Sources[0].Mode)
	require.Equal(t, "guest", answer.Sources[0].User)
	require.NotEmpty(t, answer.Sources[0].Findings)
	require.NotEmpty(t, answer.Sources[0].Bindings)
}

func TestOfSeveralPoliciesTheHighestApplies(t *testing.T) {
	p := func(name, pattern, to string, priority int) management.Policy {
		return management.Policy{Name: name, Pattern: pattern, ApplyTo: to, Priority: priority}
	}
	best, unsure := applying([]management.Policy{
		p("low", ".*", "all", 1), p("high", "^tap", "classic_queues", 5), p("other", "^nova", "queues", 9), p("quorum", ".*", "quorum_queues", 9),
		p("exchanges", ".*", "exchanges", 9), p("perl", "^(?!tap)", "queues", 9),
	}, "tap.host.1")
	require.Equal(t, "high", best.Name)
	require.Len(t, unsure, 1)
	require.Equal(t, "perl", unsure[0].Name)
	best, _ = applying(nil, "tap.host.1")
	require.Nil(t, best)
}
