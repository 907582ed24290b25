package keyrules_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestWrongRulesAreErrorsThatTellTheFix(t *testing.T) {
	ok := keyrules.Rule{Methods: []string{"GET"}, Path: "/servers/{id}", Key: "a.{id}"}
	for name, c := range map[string]struct {
		change func(r *keyrules.Rule)
		says   string
	}{
		"unknown name":        {func(r *keyrules.Rule) { r.Key = "a.{methdo}" }, "did you mean {method}?"},
		"name of no segment":  {func(r *keyrules.Rule) { r.Key = "a.{server_id}" }, `key "a.{server_id}": {server_id} is neither captured by the path nor a name of calltap's; did you mean {service}?`},
		"nearly a capture":    {func(r *keyrules.Rule) { r.Path, r.Key = "/s/{server_id}", "a.{serverid}" }, "did you mean {server_id}?"},
		"RPC name in HTTP":    {func(r *keyrules.Rule) { r.Name = "{rpc.method}" }, `name "{rpc.method}": {rpc.method} is known of RPC only, and this rule is for HTTP`},
		"path number":         {func(r *keyrules.Rule) { r.Key = "a.{path.x}" }, "N from 0 to 31"},
		"body of a GET":       {func(r *keyrules.Rule) { r.Action = "{json.0}" }, "this rule is for GET"},
		"action of itself":    {func(r *keyrules.Rule) { r.Action = "{action}" }, "what this template is to make"},
		"route in a service":  {func(r *keyrules.Rule) { r.Service = "{route}" }, "key and name only"},
		"route in a segment":  {func(r *keyrules.Rule) { r.Key = "a.x{route}" }, "put dots around it"},
		"brace left open":     {func(r *keyrules.Rule) { r.Key = "a.{id" }, "a brace without its partner"},
		"brace never opened":  {func(r *keyrules.Rule) { r.Name = "id}" }, "a brace without its partner"},
		"slash in a key":      {func(r *keyrules.Rule) { r.Key = "a/b" }, `'/' cannot stand in a key`},
		"empty segment":       {func(r *keyrules.Rule) { r.Key = "a..b" }, "take the extra dot out"},
		"dot at the end":      {func(r *keyrules.Rule) { r.Key = "a." }, "take the extra dot out"},
		"newline in a name":   {func(r *keyrules.Rule) { r.Name = "a\nb" }, "does not print"},
		"dot in an action":    {func(r *keyrules.Rule) { r.Action = "a.b" }, "it is one key segment"},
		"endless name":        {func(r *keyrules.Rule) { r.Name = strings.Repeat("x", 251) }, "at most 250"},
		"path without slash":  {func(r *keyrules.Rule) { r.Path = "servers/{id}" }, `path "servers/{id}" does not begin with /; write /servers/{id}`},
		"rest in the middle":  {func(r *keyrules.Rule) { r.Path = "/a/**/b" }, "it must come last"},
		"half a segment":      {func(r *keyrules.Rule) { r.Path = "/a/x{id}" }, "a whole segment"},
		"star in a segment":   {func(r *keyrules.Rule) { r.Path = "/a/x*" }, "a whole segment"},
		"capture twice":       {func(r *keyrules.Rule) { r.Path = "/{id}/{id}" }, "{id} is there twice"},
		"odd capture":         {func(r *keyrules.Rule) { r.Path = "/{9}" }, "begins with a letter"},
		"endless path":        {func(r *keyrules.Rule) { r.Path = strings.Repeat("/a", 33) }, "end it with **"},
		"small letters":       {func(r *keyrules.Rule) { r.Methods = []string{"get"} }, `write GET`},
		"no method":           {func(r *keyrules.Rule) { r.Methods = []string{"G T"} }, "the nearest is GET"},
		"HTTP and RPC":        {func(r *keyrules.Rule) { r.Topic = "compute" }, "make two rules of it"},
		"no matcher":          {func(r *keyrules.Rule) { *r = keyrules.Rule{Key: "a"} }, "it matches nothing"},
		"ignore everything":   {func(r *keyrules.Rule) { *r = keyrules.Rule{Ignore: true} }, "it matches nothing"},
		"ignore with a key":   {func(r *keyrules.Rule) { r.Ignore = true }, "take them out"},
		"strange kind":        {func(r *keyrules.Rule) { r.Kind = "grpc" }, "write http or rpc"},
		"endless glob":        {func(r *keyrules.Rule) { r.Host = strings.Repeat("*", 251) }, "at most 250"},
		"strip of a rule":     {func(r *keyrules.Rule) { r.Strip = []string{"/v2"} }, "belong to a built-in"},
		"prefix of a rule":    {func(r *keyrules.Rule) { r.Prefix = "a" }, "belong to a built-in"},
		"unknown built-in":    {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "proces_stack", Prefix: "a"} }, "did you mean process_stack?"},
		"built-in, no prefix": {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack"} }, "no prefix"},
		"prefix with a colon": {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a:b"} }, "':' cannot stand in a key"},
		"prefix with a hole":  {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "queue_receive", Prefix: "a..b"} }, "take the extra dot out"},
		"prefix with a name":  {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a.{host}"} }, "is plain text"},
		"endless prefix":      {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: strings.Repeat("a", 81)} }, "at most 80"},
		"built-in with a key": {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a", Key: "b"} }, "makes the key itself"},
		"built-in, ignored":   {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a", Ignore: true} }, "make two rules of it"},
		"strip of RPC":        {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "queue_receive", Prefix: "a", Strip: []string{"/b"}} }, "belongs to process_stack"},
		"strip, no slash":     {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a", Strip: []string{"v2"}} }, "write /v2"},
		"strip everything": {func(r *keyrules.Rule) {
			*r = keyrules.Rule{Use: "process_stack", Prefix: "a", Strip: []string{"/v2/**"}}
		}, "name the mount point"},
		"topic of HTTP": {func(r *keyrules.Rule) { *r = keyrules.Rule{Use: "process_stack", Prefix: "a", Topic: "t"} }, "make two rules of it"},
	} {
		bad := ok
		c.change(&bad)
		bad.File, bad.Line = "Caddyfile", 12
		_, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{ok, bad}})
		require.ErrorContains(t, err, c.says, name)
		require.True(t, strings.HasPrefix(err.Error(), "Caddyfile:12: "), err.Error())
		require.NotContains(t, err.Error(), "\n", name)
	}
	_, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{ok, {Use: "x"}}})
	require.ErrorContains(t, err, "rule 2: use")
	for _, n := range []int{-1, 1_000_001} {
		_, err = keyrules.Compile(keyrules.Config{MaxKeys: n})
		require.ErrorContains(t, err, "must be between 1 and 1000000")
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	c := keyrules.Config{MaxKeys: 7, Rules: []keyrules.Rule{
		{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1"}, File: "Caddyfile", Line: 3},
		{Kind: "rpc", Topic: "compute*", RPCMethod: "x", Key: "a.{rpc.method}", Service: "s", Name: "n", Action: "a"},
		{Ignore: true, Methods: []string{"GET"}, Path: "/h", Host: "h", Exchange: "", Queue: ""},
	}}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	var back keyrules.Config
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, c, back)
}

func TestNearestWord(t *testing.T) {
	for word, want := range map[string]string{
		"quee": "queue", "routingkey": "routing_key", "Topic": "topic", "sevrice": "service", "": "key",
		"nmae": "name", strings.Repeat("x", 5000): "routing_key", "metod": "method",
	} {
		got := keyrules.NearestWord(word, keyrules.RuleWords)
		if len(word) > 64 || word == "" {
			require.Contains(t, keyrules.RuleWords, got)
			continue
		}
		require.Equal(t, want, got, word)
	}
	require.Empty(t, keyrules.NearestWord("x", nil))
}
