package amqptap

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
)

func parse(t *testing.T, input string) (*Source, error) {
	t.Helper()
	s := new(Source)
	return s, s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input))
}

// Each testdata/*.caddyfiletest is a block, a line of dashes, and the JSON or error that it must give, as
// in Caddy's own tests.
func TestCaddyfileGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			input, want, ok := strings.Cut(string(b), "----------\n")
			require.True(t, ok)
			want = strings.ReplaceAll(want, "{dialects}", strings.Join(dialect.Names(), ", "))
			s, err := parse(t, input)
			if err == nil {
				require.NoError(t, s.Provision(caddy.Context{}))
				err = s.Validate()
			}
			if err != nil {
				require.Equal(t, strings.TrimSpace(want), err.Error())
				return
			}
			again, _ := parse(t, input) // without the defaults
			got, err := json.MarshalIndent(again, "", "\t")
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(want), string(got))
		})
	}
}

// sourcesOfPage finds the sources in a documented Caddyfile: a line, or a block to the brace below its beginning.
func sourcesOfPage(block string) (found []string) {
	lines := strings.Split(block, "\n")
	for i, line := range lines {
		head := strings.TrimLeft(line, " \t")
		if !strings.HasPrefix(head, "rabbitmq ") {
			continue
		}
		end := i
		if indent := strings.TrimSuffix(line, head); strings.HasSuffix(line, "{") {
			for end++; lines[end] != indent+"}"; {
				end++
			}
		}
		found = append(found, strings.TrimSpace(strings.Join(lines[i:end+1], "\n")))
	}
	return found
}

func TestTheDocumentedExamplesAreValid(t *testing.T) {
	n := 0
	for _, page := range []string{"../docs/rpc.md", "../docs/rabbitmq.md", "../README.md"} {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		for i, part := range strings.Split(string(b), "```") {
			block, ok := strings.CutPrefix(part, "caddyfile\n")
			if i%2 == 0 || !ok {
				continue
			}
			for _, source := range sourcesOfPage(block) {
				t.Run(source, func(t *testing.T) {
					s, err := parse(t, source)
					require.NoError(t, err)
					require.NoError(t, s.ready())
				})
				n++
			}
		}
	}
	require.GreaterOrEqual(t, n, 10)
}

func TestEveryBadValueOfAJSONConfigIsToldAtOnce(t *testing.T) {
	s := &Source{URL: "amqp://127.0.0.1/", Prefetch: 5000, MaxBytes: 1 << 10, Heartbeat: caddy.Duration(2 * time.Hour), Queue: "amq.mine"}
	require.NoError(t, s.Provision(caddy.Context{}))
	err := s.Validate()
	for _, part := range []string{
		`queue "amq.mine"`, "prefetch is 5000", "max_bytes is 1024", "heartbeat is 2h0m0s",
	} {
		require.ErrorContains(t, err, part)
	}
}
