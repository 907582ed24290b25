package keyrules_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// The manual's rules and tables are run, so that it cannot say what is not so.
func TestManualIsTrue(t *testing.T) {
	text, err := os.ReadFile("../docs/keys.md")
	require.NoError(t, err)
	manual := string(text)
	_, after, ok := strings.Cut(manual, "```caddyfile\n")
	require.True(t, ok)
	block, _, ok := strings.Cut(after, "```")
	require.True(t, ok)

	sections := map[string]*keyrules.Set{
		"## Syntax":         set(t, keysBlock(t, block)...),
		"## Without a rule": set(t),
		"## tach's keys":    set(t, keyrules.Rule{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1"}}),
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\|(?: `([^`]+)` \\|)?$")
	for title, s := range sections {
		_, section, ok := strings.Cut(manual, title+"\n")
		require.True(t, ok, title)
		section, _, _ = strings.Cut(section, "\n## ")
		rows := 0
		for _, cells := range row.FindAllStringSubmatch(section, -1) {
			c := documentedCall(cells[1])
			if c == nil {
				continue
			}
			rows++
			r := s.Resolve(c)
			require.Equal(t, cells[2], r.Key, cells[1])
			if cells[3] != "" {
				require.Equal(t, cells[3], r.Name, cells[1])
			}
		}
		require.GreaterOrEqual(t, rows, 5, title)
		if title == "## Syntax" {
			require.True(t, s.Resolve(get("GET", "/healthcheck")).Ignore)
		}
	}
}

// documentedCall reads `GET /path {"key": …}` and `rpc TOPIC METHOD`; nil is some other table.
func documentedCall(text string) *keyrules.Call {
	f := strings.Fields(text)
	switch {
	case len(f) == 3 && f[0] == "rpc":
		return rpc(f[1], f[2])
	case len(f) < 2 || f[0] != strings.ToUpper(f[0]) || f[1][0] != '/':
		return nil
	}
	c := get(f[0], f[1])
	if len(f) > 2 {
		c.BodyKey = strings.Trim(f[2], `{":`)
	}
	return c
}

// keysBlock reads the rules of a Caddyfile, as plain as the manual's: a line is a head, a statement
// or a closing brace.
func keysBlock(t *testing.T, text string) (rules []keyrules.Rule) {
	t.Helper()
	_, text, ok := strings.Cut(text, "keys {\n")
	require.True(t, ok)
	var r *keyrules.Rule
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(strings.TrimSuffix(line, "{"))
		switch {
		case len(f) == 0 || f[0] == "}" || f[0] == "max_keys":
			continue
		case f[0] == "use":
			rules = append(rules, keyrules.Rule{Use: f[1], Prefix: f[2]})
			f = nil
		case f[0] == "rule" || f[0] == "ignore":
			rules = append(rules, keyrules.Rule{Ignore: f[0] == "ignore"})
			head := f[1:min(len(f), 3)]
			require.NoError(t, rules[len(rules)-1].SetHead(head))
			f = f[1+len(head):]
		}
		r = &rules[len(rules)-1]
		r.File, r.Line = "keys.md", max(r.Line, i)
		for _, statement := range strings.Split(strings.Join(f, " "), " ; ") {
			if words := strings.Fields(statement); len(words) > 0 {
				require.NoError(t, r.Set(words[0], words[1:]))
			}
		}
	}
	require.GreaterOrEqual(t, len(rules), 6)
	return rules
}
