package integration

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

var update = flag.Bool("update", false, "write the golden files anew")

// replay runs `calltap replay` as an operator does, and returns the lines it prints.
func replay(t *testing.T, capture string) string {
	t.Helper()
	config, err := filepath.Abs("testdata/replay.caddyfile")
	require.NoError(t, err)
	capture, err = filepath.Abs(capture)
	require.NoError(t, err)
	out, err := harness.Exec(binary(t), t.TempDir(), nil, "replay", "--config", config, capture)
	require.NoError(t, err)
	return out
}

func TestReplayedCapturesGiveTheirGoldenSpans(t *testing.T) {
	captures, err := filepath.Glob("testdata/*/*.jsonl")
	require.NoError(t, err)
	require.Greater(t, len(captures), 9)
	for _, capture := range captures {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(capture, "testdata/"), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			got := replay(t, capture)
			require.NotContains(t, got, "xxxx", "a token left the capture")
			require.NotContains(t, got, "canary", "an argument or a message left the capture")
			golden := strings.TrimSuffix(capture, ".jsonl") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// The numbers are those of testdata/openstack/README.md, counted when the traffic was captured and not by calltap.
func TestAReplayedBootHasEachCallOfNovaOnce(t *testing.T) {
	var trace []harness.Span
	for line := range strings.Lines(replay(t, "testdata/openstack/firehose-boot1.jsonl")) {
		var s harness.Span
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		trace = append(trace, s)
	}
	kinds := make(map[string]int)
	traces := make(map[string]int)
	ids := make(map[string]bool)
	for _, s := range trace {
		kinds[s.Kind]++
		traces[s.TraceID]++
		require.False(t, ids[s.ID], "the span id %s is there twice", s.ID)
		ids[s.ID] = true
	}
	require.Equal(t, map[string]int{"CLIENT": 13, "SERVER": 13, "PRODUCER": 3, "CONSUMER": 3}, kinds)
	require.Equal(t, map[string]int{"8618abd625f9443da023040661f408ff": 32}, traces,
		"the client's request id is the trace's, also of ComputeNode.save, which carries another")
}

// What an operator's script sees of a check is its exit status.
func TestTheExitStatusOfACheckIsItsVerdict(t *testing.T) {
	l := theLab(t)
	dir := t.TempDir()
	mirror := filepath.Join(dir, "mirror.json")
	require.NoError(t, os.WriteFile(mirror, []byte(`{"apps": {"calltap": {"sources": [{"source": "rabbitmq", "url": "`+l.broker.URL()+`",
		"mirror": [{"exchange": "amq.topic", "keys": ["k"]}], "accept_changes": true}]}}}`), 0o600))
	for status, args := range map[string][]string{
		"":              {l.broker.URL()},
		"exit status 2": {"--config", mirror},
		"exit status 1": {"amqp://127.0.0.1:1/"},
	} {
		out, err := harness.Exec(binary(t), dir, nil, append([]string{"rabbitmq", "check"}, args...)...)
		if status == "" {
			require.NoError(t, err, out)
			continue
		}
		require.ErrorContains(t, err, status, out)
	}
}
