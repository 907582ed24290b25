package keyrules_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestStatementsSetTheirFields(t *testing.T) {
	var r keyrules.Rule
	require.NoError(t, r.SetHead([]string{"GET,HEAD", "/servers/{id}"}))
	for _, line := range []string{"host *.example.org", "key a.{id}", "span {method}", "service nova", "action show"} {
		f := strings.Fields(line)
		require.NoError(t, r.Set(f[0], f[1:]), line)
	}
	require.Equal(t, keyrules.Rule{Methods: []string{"GET", "HEAD"}, Path: "/servers/{id}", Host: "*.example.org",
		Key: "a.{id}", Name: "{method}", Service: "nova", Action: "show"}, r)

	r = keyrules.Rule{}
	require.NoError(t, r.SetHead([]string{"rpc"}))
	for _, line := range []string{"exchange e", "routing_key r", "queue q", "topic t*", "namespace n", "method m", "name x"} {
		f := strings.Fields(line)
		require.NoError(t, r.Set(f[0], f[1:]), line)
	}
	require.Equal(t, keyrules.Rule{Kind: "rpc", Exchange: "e", RoutingKey: "r", Queue: "q", Topic: "t*", Namespace: "n",
		RPCMethod: "m", Name: "x"}, r)

	r = keyrules.Rule{Use: "process_stack", Prefix: "nova.api"}
	require.NoError(t, r.Set("strip", []string{"/v2", "/v2.1"}))
	require.NoError(t, r.Set("method", []string{"GET", "POST,PUT"}))
	require.Equal(t, []string{"/v2", "/v2.1"}, r.Strip)
	require.Equal(t, []string{"GET", "POST", "PUT"}, r.Methods)

	r = keyrules.Rule{Use: "queue_receive", Prefix: "nova.compute"}
	require.NoError(t, r.Set("method", []string{"build*"}))
	require.Equal(t, "build*", r.RPCMethod)

	for head, want := range map[string]keyrules.Rule{
		"": {}, "* /a": {Path: "/a"}, "/a": {Path: "/a"}, "GET": {Methods: []string{"GET"}},
		"http GET /a": {Kind: "http", Methods: []string{"GET"}, Path: "/a"}, "http": {Kind: "http"},
	} {
		r = keyrules.Rule{}
		require.NoError(t, r.SetHead(strings.Fields(head)), head)
		require.Equal(t, want, r, head)
	}
}

func TestWrongStatementsAreErrorsThatTellTheFix(t *testing.T) {
	for statement, says := range map[string]string{
		"kee a":        `unknown statement "kee"; did you mean key? There are method, path`,
		"key":          "key needs a value",
		"key a b":      "key takes one value, got 2; put it in quotes",
		"path /b":      "path is given twice",
		"method POST":  "write them in one line: method GET HEAD",
		"rpc x":        `rpc takes no value, got "x"`,
		"strip /v2":    `unknown statement "strip"`,
		"routingkey a": "did you mean routing_key?",
	} {
		r := keyrules.Rule{Methods: []string{"GET"}, Path: "/a"}
		f := strings.Fields(statement)
		require.ErrorContains(t, r.Set(f[0], f[1:]), says, statement)
	}
	r := keyrules.Rule{Kind: "rpc"}
	require.ErrorContains(t, r.Set("http", nil), "make two rules of it")
	require.ErrorContains(t, r.Set("method", []string{"a", "b"}), "takes one value")
	r = keyrules.Rule{Ignore: true}
	require.ErrorContains(t, r.Set("key", []string{"a"}), `unknown statement "key"`)
	r = keyrules.Rule{Use: "process_stack"}
	require.ErrorContains(t, r.Set("strip", nil), "needs a mount point")
	require.ErrorContains(t, r.Set("key", []string{"a"}), `unknown statement "key"`)

	for head, says := range map[string]string{
		"rpc GET":     "stand in its block",
		"GET /a key":  `"key" is too much`,
		"GET POST /a": `"/a" is too much`,
	} {
		r = keyrules.Rule{}
		require.ErrorContains(t, r.SetHead(strings.Fields(head)), says, head)
	}
}

// Each word that a list offers to an error message must be one that Set takes.
func TestEveryOfferedWordIsTaken(t *testing.T) {
	for _, offer := range []struct {
		rule  keyrules.Rule
		words []string
	}{{keyrules.Rule{}, keyrules.RuleWords}, {keyrules.Rule{Use: "process_stack"}, keyrules.UseWords},
		{keyrules.Rule{Ignore: true}, keyrules.IgnoreWords}} {
		for _, word := range offer.words {
			r := offer.rule
			args := []string{"x"}
			switch word {
			case "rpc", "http":
				args = nil
			case "tag":
				args = []string{"x", "y"}
			case "segment", "max_keys":
				args = []string{"2"}
			}
			require.NoError(t, r.Set(word, args), word)
			require.NotEqual(t, offer.rule, r, word)
		}
	}
}
