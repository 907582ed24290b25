package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/integration/harness"
)

// replayedIn matches, in docs/rpc.md, a configuration and what it makes of a capture of testdata.
var replayedIn = regexp.MustCompile("(?s)```caddyfile\n([^`]*)```\n\n<!-- replay: (\\S+) -->\n```text\n(.*?)```\n")

// What the page says that a configuration makes of each protocol is what it makes of it.
func TestThePageOfRPCShowsWhatIsSo(t *testing.T) {
	path := filepath.Join(harness.Root(), "docs", "rpc.md")
	page := read(t, path)
	shown := map[string]bool{}
	for _, m := range replayedIn.FindAllStringSubmatch(page, -1) {
		caddyfile, capture, want := m[1], m[2], m[3]
		t.Run(capture, func(t *testing.T) {
			got, protocols := keysOf(t, caddyfile, "testdata/"+capture+".jsonl")
			for _, p := range protocols {
				shown[p] = true
			}
			if *update {
				page = strings.Replace(page, m[0], strings.Replace(m[0], "```text\n"+want, "```text\n"+got, 1), 1)
				return
			}
			require.Equal(t, want, got)
		})
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page), 0o644))
	}
	for _, name := range dialect.Names() {
		require.True(t, shown[name], "no example of the page shows the dialect %s", name)
	}
}

// keysOf replays a capture with a configuration and returns the keys, each with the spans that have it, and which
// dialects there were.
func keysOf(t *testing.T, caddyfile, capture string) (table string, dialects []string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "Caddyfile")
	require.NoError(t, os.WriteFile(config, []byte(caddyfile), 0o600))
	capture, err := filepath.Abs(capture)
	require.NoError(t, err)
	out, err := harness.Exec(binary(t), t.TempDir(), nil, "replay", "--config", config, capture)
	require.NoError(t, err)
	count := map[string]int{}
	for line := range strings.Lines(out) {
		var s harness.Span
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		words := []string{s.Tags["calltap.key"], s.Kind, s.Local.ServiceName, s.Name, s.Tags["error"]}
		count[strings.TrimRight(strings.Join(words, "\t"), "\t")]++
		dialects = append(dialects, s.Tags["rpc.system"])
	}
	var lines []string
	for line, n := range count {
		lines = append(lines, fmt.Sprintf("%s\t%d\n", line, n))
	}
	slices.Sort(lines)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		n := fields[len(fields)-1]
		if n == "1" {
			n = ""
		} else {
			n = "× " + n
		}
		fields = append(fields[:len(fields)-1], make([]string, 6-len(fields))...)
		fmt.Fprintln(w, strings.Join(fields, "\t")+"\t"+n)
	}
	require.NoError(t, w.Flush())
	var trimmed strings.Builder
	for line := range strings.Lines(b.String()) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return trimmed.String(), dialects
}
