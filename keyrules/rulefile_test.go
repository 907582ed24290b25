package keyrules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func noRoutes(string) ([]keyrules.Route, error) { return nil, errors.New("no such file") }

func TestRuleFile(t *testing.T) {
	c, err := keyrules.ParseRules([]byte("\ufeff"+`# names of the shop
max_keys 50
rule GET,HEAD /items/{id} key shop.{action} ; action show
rule rpc {
	topic compute* ; method build*
	key nova.{rpc.method}   # of RPC
}
under /v2.1 {
	service nova
	under /servers {
		category server
		rule /{id} {
			name "show \"one\""
			tag server {id}
			note seen shown
			header X-A
			status 2xx,404
			max_keys 9
		}
	}
	rule rpc method ping ; key ping
	use process_stack nova.api
	routes table.tsv key nova.{route}
}
ignore GET /health
use process_stack old {
	segment 2
	strip /v1
}
`), "shop.rules", func(name string) ([]keyrules.Route, error) {
		return keyrules.ParseRoutes(strings.NewReader("GET\t/x\tshow\n"), name)
	})
	require.NoError(t, err)
	at := func(line int, r keyrules.Rule) keyrules.Rule { r.File, r.Line = "shop.rules", line; return r }
	require.Equal(t, []keyrules.Rule{
		at(3, keyrules.Rule{Methods: []string{"GET", "HEAD"}, Path: "/items/{id}", Key: "shop.{action}", Action: "show"}),
		at(4, keyrules.Rule{Kind: "rpc", Topic: "compute*", RPCMethod: "build*", Key: "nova.{rpc.method}"}),
		at(12, keyrules.Rule{Path: "/v2.1/servers/{id}", Service: "nova", Category: "server", Name: `show "one"`,
			Tags: []keyrules.Tag{{Name: "server", Value: "{id}"}}, Notes: []string{"seen", "shown"},
			Headers: []keyrules.Match{{Name: "X-A"}}, Statuses: []string{"2xx", "404"}, MaxKeys: 9}),
		at(21, keyrules.Rule{Kind: "rpc", RPCMethod: "ping", Key: "ping", Service: "nova"}),
		at(22, keyrules.Rule{Use: "process_stack", Prefix: "nova.api", Path: "/v2.1/**", Strip: []string{"/v2.1"}, Service: "nova"}),
		at(25, keyrules.Rule{Ignore: true, Methods: []string{"GET"}, Path: "/health"}),
		at(26, keyrules.Rule{Use: "process_stack", Prefix: "old", Segment: 2, Strip: []string{"/v1"}}),
	}, c.Rules)
	require.Equal(t, 50, c.MaxKeys)
	require.Equal(t, []keyrules.Routes{{Prefix: "/v2.1", Key: "nova.{route}", Service: "nova", File: "shop.rules", Line: 23,
		Table: []keyrules.Route{{Method: "GET", Path: "/x", Action: "show", File: "table.tsv", Line: 1}}}}, c.Routes)
	s, err := keyrules.Compile(c)
	require.NoError(t, err)
	require.Equal(t, "table.tsv:1", s.Resolve(get("GET", "/v2.1/x")).Rule)
}

func TestMistakesOfMeaningInRuleFilesAreToldWithLineAndColumn(t *testing.T) {
	_, err := keyrules.ParseRules([]byte("under /a {\n  rule GET /{id} key a.{idd}\n}"), "f", nil)
	require.ErrorContains(t, err, `f:2:3: key "a.{idd}": {idd} is neither captured by the path nor a name of calltap's; did you mean {id}?`)
}

func TestMistakesInRuleFilesAreToldWithLineAndColumn(t *testing.T) {
	for text, says := range map[string]string{
		"rul GET /a":                    `f:1:1: unknown word "rul"; did you mean rule?`,
		"\n  rule GET /a kee x":         `f:2:15: unknown statement "kee"; did you mean key?`,
		"rule GET /a {\n\tkee x\n}":     `f:2:2: unknown statement "kee"; did you mean key?`,
		"rule GET /a key x ; acton y":   `f:1:21: unknown statement "acton"; did you mean action?`,
		"rule GET /a {\nkey x":          "f:1:1: the block of rule has no }",
		"under /a {\nrule /b":           "the block of under has no }",
		"under a {\n}":                  "f:1:7: under",
		"under /a/** {\n}":              "take ** out",
		"under /a":                      "takes a path and a block",
		"under /a {\nmax_keys 5\n}":     `f:2:1: unknown word "max_keys"`,
		"under /a {\nservce x\n}":       "did you mean service?",
		"under /a {\nservice x {\n}\n}": "takes no block",
		"}":                             "f:1:1: } closes nothing",
		"{":                             "stands alone",
		"use proces_stack a":            "f:1:5: use \"proces_stack\": there is no such built-in; did you mean process_stack?",
		"use process_stack":             "use needs a built-in",
		"max_keys x":                    "takes one number",
		"max_keys 5 {\n}":               "takes no block",
		"routes f.tsv":                  "f:1:8: no such file",
		"routes f.tsv prefx /a":         "did you mean prefix?",
		"routes f.tsv prefix":           "prefix needs a value",
		"routes":                        "f:1:1: routes FILE",
		`rule GET /a name "x`:           "f:1:18: a quote without its partner",
		"rule GET /a {\nkey x {\n}\n}":  "f:2:1: key takes no block",
		"rules other":                   `unknown word "rules"`,
		strings.Repeat("a", 5<<20):      "at most 4194304",
	} {
		_, err := keyrules.ParseRules([]byte(text), "f", noRoutes)
		require.ErrorContains(t, err, says, text[:min(len(text), 80)])
		require.True(t, strings.HasPrefix(err.Error(), "f:"), err.Error())
	}
	_, err := keyrules.ParseRules([]byte("routes x"), "f", nil)
	require.ErrorContains(t, err, "where files may be read")
}

func FuzzParseRules(f *testing.F) {
	f.Add("rule GET /a key x ; action y\nunder /b {\nservice x\nrule rpc {\nmethod m\n}\n}\n")
	f.Add("use process_stack a.b {\nsegment 2\n}\nignore /x\nmax_keys 7\n# c\n\"\\\"\" ` `")
	f.Add("{\n}\n}; ;;\nrule ;\nunder / {\nuse")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := keyrules.ParseRules([]byte(text), "F", noRoutes)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "F:"), err.Error())
			return
		}
		s, err := keyrules.Compile(c)
		require.NoError(t, err, "what is wrong is told with its column")
		s.Warnings()
		requireSafe(t, s.Resolve(get("POST", "/a/b/c")))
		s.Explain(get("POST", "/a/b/c"))
	})
}

func TestGroupOfAGroup(t *testing.T) {
	outer, err := keyrules.Group{}.Under("/v2/")
	require.NoError(t, err)
	require.NoError(t, outer.Set("service", []string{"nova"}))
	inner, err := outer.Under("/{project}")
	require.NoError(t, err)
	require.NoError(t, inner.Set("service", []string{"inner"}))
	r := keyrules.Rule{Path: "/x", Service: "own"}
	inner.Apply(&r)
	require.Equal(t, keyrules.Rule{Path: "/v2/{project}/x", Service: "own"}, r)
	r = keyrules.Rule{Ignore: true}
	inner.Apply(&r)
	require.Equal(t, keyrules.Rule{Path: "/v2/{project}/**", Ignore: true}, r)
	_, err = outer.Under("/{a}/{a}")
	require.ErrorContains(t, err, "{a} is there twice")
	require.ErrorContains(t, outer.Set("key", []string{"x"}), "unknown statement")
	require.Error(t, outer.Set("host", nil))
}
