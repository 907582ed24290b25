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

	_, routes, ok := strings.Cut(manual, "```routes\n")
	require.True(t, ok)
	routes, _, _ = strings.Cut(routes, "```")
	carts, err := keyrules.ParseRules([]byte(regexp.MustCompile(`(?m)^    routes carts.tsv .*`).FindString(manual)), "keys.md",
		func(name string) ([]keyrules.Route, error) {
			return keyrules.ParseRoutes(strings.NewReader(routes), name)
		})
	require.NoError(t, err)

	sections := map[string]*keyrules.Set{
		"## Syntax":         compiled(t, keysBlock(t, block)),
		"## Without a rule": set(t),
		"## Actions":        compiled(t, carts),
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

// documentedCall reads `GET /path {"key": …}` and `rpc TOPIC METHOD {"argument": "value"}`; nil is some
// other table.
func documentedCall(text string) *keyrules.Call {
	text, body, _ := strings.Cut(text, " {\"")
	f := strings.Fields(text)
	switch {
	case len(f) == 3 && f[0] == "rpc":
		c := rpc(f[1], f[2])
		c.RPCArg = func(path string) string { return keyrules.LookupJSON([]byte("{\""+body), path) }
		return c
	case len(f) != 2 || f[0] != strings.ToUpper(f[0]) || f[1][0] != '/':
		return nil
	}
	c := get(f[0], f[1])
	c.BodyKey, _, _ = strings.Cut(body, `"`)
	return c
}

// keysBlock reads what stands in the keys block of a Caddyfile.
func keysBlock(t *testing.T, text string) keyrules.Config {
	t.Helper()
	_, text, ok := strings.Cut(text, "keys {\n")
	require.True(t, ok)
	text, _, ok = strings.Cut(text, "\n        }\n")
	require.True(t, ok)
	c, err := keyrules.ParseRules([]byte(text), "keys.md", nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(c.Rules), 6)
	return c
}
