package keyrules_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// novaRoutes is nova's route table as an operator hands it over.
func novaRoutes(t testing.TB, key string) keyrules.Routes {
	t.Helper()
	f, err := os.Open("testdata/nova.tsv")
	require.NoError(t, err)
	defer f.Close()
	table, err := keyrules.ParseRoutes(f, "nova.tsv")
	require.NoError(t, err)
	return keyrules.Routes{Prefix: "/v2.1", Key: key, Table: table, File: "Caddyfile", Line: 9}
}

func compiled(t testing.TB, c keyrules.Config) *keyrules.Set {
	t.Helper()
	s, err := keyrules.Compile(c)
	require.NoError(t, err)
	return s
}

// With its own table an API's actions are no guess, whatever its ids look like.
func TestRouteTableTellsEveryAction(t *testing.T) {
	s := compiled(t, keyrules.Config{Routes: []keyrules.Routes{novaRoutes(t, "nova.api.{route}.{action}.{method}")}})
	for _, row := range table(t, "testdata/nova.tsv") {
		for _, names := range []bool{false, true} {
			r := s.Resolve(get(row[0], "/v2.1"+fill(row[1], names)))
			require.Equal(t, row[2], r.Action, row)
			require.True(t, strings.HasPrefix(r.Rule, "nova.tsv:"), r.Rule)
			require.Equal(t, row[0]+" /v2.1"+row[1], strings.TrimSuffix(r.Name, "/")+strings.Repeat("/", strings.Count(row[1], "/")-strings.Count(strings.TrimSuffix(row[1], "/"), "/")))
			require.NotContains(t, r.Key, "mykey")
		}
	}
	require.Empty(t, s.Warnings())
}

func TestActionOrderIsRuleTableBodyShape(t *testing.T) {
	action := get("POST", "/v2.1/servers/17/action")
	action.BodyKey = "reboot"
	s := compiled(t, keyrules.Config{
		Rules: []keyrules.Rule{
			{Methods: []string{"GET"}, Path: "/v2.1/servers/{id:[0-9]+}", Key: "own.{action}", Action: "look"},
			{Methods: []string{"DELETE"}, Path: "/v2.1/servers/{id}", Key: "own.{action}"},
			{Use: "process_stack", Prefix: "tach", Strip: []string{"/v2.1"}},
		},
		Routes: []keyrules.Routes{novaRoutes(t, "")},
	})
	for _, c := range []struct {
		call              *keyrules.Call
		key, action, from string
	}{
		{get("GET", "/v2.1/servers/17"), "own.look", "look", "rule"},
		{get("DELETE", "/v2.1/servers/17"), "own.delete", "delete", "table"},
		{get("GET", "/v2.1/servers/detail"), "tach.servers.detail.detail.GET", "detail", "table"},
		{get("HEAD", "/v2.1/servers/detail"), "tach.servers.detail.detail.HEAD", "detail", "table"},
		{action, "tach.servers.17.reboot.POST", "reboot", "body"},
		{get("POST", "/v2.1/servers/17/action"), "tach.servers.17.action.POST", "action", "table"},
		{get("GET", "/v2.1/elsewhere"), "tach.elsewhere.index.GET", "index", "shape"},
		{get("OPTIONS", "/v2.1/elsewhere"), "tach.elsewhere.OPTIONS", "", "none"},
	} {
		require.Equal(t, c.key, s.Resolve(c.call).Key)
		e := s.Explain(c.call)
		require.Equal(t, []string{c.key, c.action, c.from}, []string{e.Key, e.Action, e.ActionFrom})
	}
	withKey := compiled(t, keyrules.Config{
		Rules:  []keyrules.Rule{{Use: "process_stack", Prefix: "tach"}},
		Routes: []keyrules.Routes{novaRoutes(t, "nova.{route}.{action}.{method}")},
	})
	require.Equal(t, "nova.v2_1.servers.detail.GET", withKey.Resolve(get("GET", "/v2.1/servers/detail")).Key)
	require.Equal(t, keyrules.Hint{Body: true}, withKey.Peek("POST", "", "/v2.1/servers/1/action"))
	require.Equal(t, "the route table makes the key", strings.TrimPrefix(withKey.Explain(get("GET", "/v2.1/servers/detail")).Before[0].Why, "use process_stack: "))
}

// OpenAPI and routers list routes in any order; a word must win over a name all the same.
func TestWordsGoBeforeNamesInATable(t *testing.T) {
	lines := []string{"GET\t/a/{id}\tshow", "GET\t/a/new\tnew", "GET\t/{x}/new\tother", "*\t/a/{id:[0-9]+}\tnumber", "GET\t/a/**\trest", "GET,PUT\t/b\tb"}
	for range lines {
		lines = append(lines[1:], lines[0])
		routes, err := keyrules.ParseRoutes(strings.NewReader(strings.Join(lines, "\n")), "t")
		require.NoError(t, err)
		s := compiled(t, keyrules.Config{Routes: []keyrules.Routes{{Table: routes}}})
		for path, action := range map[string]string{"/a/new": "new", "/a/x": "show", "/z/new": "other", "/a/17": "number", "/a/x/y": "rest", "/b": "b"} {
			require.Equal(t, action, s.Resolve(get("GET", path)).Action, path)
		}
	}
}

func TestMistakesInRouteTablesAreToldWithTheirLine(t *testing.T) {
	for text, says := range map[string]string{
		"# c\n\nGET /a show":                 "t:3: 1 columns; a route is METHOD TAB /path TAB action",
		"GET\ta\tshow":                       `t:1: path "a" does not begin with /; write /a`,
		"get\t/a\tshow":                      "write GET",
		"GET\t/a/{\tshow":                    "t:1: path",
		"GET\t/a\tb\tc":                      "4 columns",
		"GET\t/" + strings.Repeat("a", 5000): "t: bufio.Scanner: token too long",
	} {
		_, err := keyrules.ParseRoutes(strings.NewReader(text), "t")
		require.ErrorContains(t, err, says)
	}
	var many strings.Builder
	for i := range 20_002 {
		fmt.Fprintf(&many, "GET\t/a%d\n", i)
	}
	_, err := keyrules.ParseRoutes(strings.NewReader(many.String()), "t")
	require.ErrorContains(t, err, "more than 20000 routes")
	_, err = keyrules.Compile(keyrules.Config{Routes: []keyrules.Routes{{Key: "{x}", File: "C", Line: 3, Table: []keyrules.Route{{Method: "GET", Path: "/a"}}}}})
	require.ErrorContains(t, err, "C:3: key")
}

func FuzzParseRoutes(f *testing.F) {
	f.Add("GET\t/servers/{id}\tshow\n*\t/a/**\n# c\nGET,PUT\t/{a:[0-9]+}\tx y\r\n")
	f.Add("\ufeffGET\t/\t\x00\n\t\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		routes, err := keyrules.ParseRoutes(strings.NewReader(text), "F")
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "F:"), err.Error())
			return
		}
		s, err := keyrules.Compile(keyrules.Config{Routes: []keyrules.Routes{{Prefix: "/v", Key: "k.{route}.{action}", Table: routes}}})
		if err != nil {
			return // 32 segments with the prefix, say
		}
		s.Warnings()
		for _, r := range routes[:min(len(routes), 50)] {
			requireSafe(t, s.Resolve(get(r.Method, "/v"+r.Path)))
		}
	})
}
