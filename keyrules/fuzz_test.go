package keyrules_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// fuzzRules use every matcher, every template name and the built-ins.
func fuzzRules() []keyrules.Rule {
	return []keyrules.Rule{
		{Ignore: true, Path: "/healthcheck"},
		{Methods: []string{"POST"}, Path: "/a/{id}/action", Sample: "0.5", Key: "a.{id}.{json.0}.{path.1}.{status}", Name: "{json.0} {host}", Service: "{id}", Action: "x{json.0}"},
		{Host: "*.example.org", Path: "/r/{x}/**", Key: "r.{route}.{x}{error}.{status.class}.{action}.{service}", Name: "{route} {x}"},
		{Path: "/d/*/**"},
		{Path: "/e/{n:[0-9]+}/{w:[^/]*x}", Key: "e.{n|or:none}.{w|snake}.{path[:3]}", Category: "{w|lower}", Tags: []keyrules.Tag{{Name: "n", Value: "{n}{error}"}}, Notes: []string{"{w}", "n{status.class}"}},
		{Path: "/f/**", JSON: "r*", Key: "f.{json.0|lower}.{json.a.b}", MaxKeys: 50},
		{Path: "/f/**", Statuses: []string{"4xx", "200"}, Headers: []keyrules.Match{{Name: "X-A", Value: "*a*"}}, Key: "f.{header.X-A|snake}", Sample: "off"},
		{Kind: "rpc", Form: "*a*", Key: "{rpc.arg.objname}.{rpc.arg.x.y|or:z}", Notes: []string{"{form}"}},
		{Topic: "c*", Queue: "*q*", Key: "{exchange}.{topic}.{queue}.{routing_key}.{namespace}.{rpc.method}.{form}.{error}", Name: "{queue}", Service: "rpc{rpc.method}", Action: "{topic}"},
		{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1", "/v2/{p}"}, Host: "h*", Sample: "always"},
		{Use: "queue_receive", Prefix: "nova.compute"},
	}
}

// FuzzResolve: no call, whatever is in it, gives an unsafe result, an alias of the caller's memory
// aside; Peek tells the truth about what Resolve will do.
func FuzzResolve(f *testing.F) {
	f.Add(true, "GET", "api.example.org:80", "/v2.1/servers/d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab", "", "nova", "", "")
	f.Add(true, "POST", "h", "/a/17/action", "evil:1|c\nx", "nova", "Timeout", "")
	f.Add(true, "POST", "", "/r/"+strings.Repeat("é/", 40), "", "", "", "")
	f.Add(true, "BREW", "[::1", "//\xff\x00/%2e..", "\xff", "\xff", "\n", "x")
	f.Add(true, "PATCH", "", "/e/17/ABcX", "r", "", "n", "")
	f.Add(true, "PUT", "", "/f/17", "reboot", "", "A", "")
	f.Add(true, "POST", "", "/f/v1/x:publish", "", "", "", "")
	f.Add(false, "build", "nova", "compute", "q", "", "Timeout", "ns")
	f.Add(false, strings.Repeat("m", 5000), "a|b", "compute.host", "amq.gen-x", "", "", "call")
	with, err := keyrules.Compile(keyrules.Config{Rules: fuzzRules(), MaxKeys: 1_000_000})
	require.NoError(f, err)
	without, err := keyrules.Compile(keyrules.Config{MaxKeys: 1_000_000})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, http bool, method, host, path, body, service, fail, more string) {
		c := keyrules.Call{Kind: keyrules.HTTP, Service: service, Method: method, Host: host, Path: path, Status: len(body) * 7, BodyKey: body, Error: fail}
		if !http {
			c = keyrules.Call{Kind: keyrules.RPC, Service: service, RPCMethod: method, Exchange: host, Topic: path, RoutingKey: path + more, Queue: body, Namespace: more, Form: more, Error: fail}
		}
		values := func(name string) string { return fail + name + body }
		c.Header, c.JSON, c.RPCArg = values, values, values
		for _, s := range []*keyrules.Set{with, without} {
			r := s.Resolve(&c)
			requireSafe(t, r)
			requireSafeSides(t, r)
			require.Equal(t, r, s.Resolve(&c))
			require.Equal(t, r, s.Resolve(&c), "from the cache")
			if !http {
				continue
			}
			hint := s.Peek(method, host, path)
			require.Equal(t, r.Ignore, hint.Ignore)
			require.Equal(t, hint.Ignore, s.PeekCall(&c).Ignore)
			for _, told := range []*keyrules.Sampling{hint.Sample, s.PeekCall(&c).Sample} {
				require.True(t, told == nil || told == r.Sample, "Peek was certain of another rule")
			}
			bare := c
			bare.BodyKey, bare.JSON = "", nil
			if !hint.Body && !hint.JSON {
				require.Equal(t, s.Resolve(&bare), r, "the body mattered, and Peek did not say so")
			}
		}
	})
}

// FuzzCompile: no rule makes Compile panic, and none that it takes lets an unsafe key through.
func FuzzCompile(f *testing.F) {
	f.Add("process_stack", "nova.api", "/v2.1", "GET", "", "", "", "", "", "")
	f.Add("", "", "", "POST", "/a/{id}/**", "", "a.{id}.{json.0}", "{method} {id}", "{service}", "x{json.0}")
	f.Add("", "", "", "", "", "compute*", "a.{rpc.method}", "{topic}", "s", "")
	f.Add("", "", "", "GET,GET", "/{a}/{a}", "", "{", "}", "{}", "..")
	f.Add("queue_receive", "a.b", "", "", "", "", "", "", "{error}", "{error}")
	f.Fuzz(func(t *testing.T, use, prefix, strip, method, path, topic, key, name, service, action string) {
		r := keyrules.Rule{Use: use, Prefix: prefix, Topic: topic, Path: path, File: "F", Line: 1}
		for word, value := range map[string]string{"key": key, "name": name, "service": service, "action": action, "method": method, "strip": strip} {
			if value != "" {
				_ = r.Set(word, []string{value}) // a wrong statement leaves the rule as it was
			}
		}
		s, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{r}})
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "F:1: "), err.Error())
			return
		}
		for _, c := range []keyrules.Call{
			{Kind: keyrules.HTTP, Method: "GET", Path: path}, {Kind: keyrules.HTTP, Method: "POST", Path: "/a/b:c/d|e/action", BodyKey: "x\ny"},
			{Kind: keyrules.RPC, Topic: topic, RPCMethod: "a.b|c"},
		} {
			requireSafe(t, s.Resolve(&c))
			s.Peek(c.Method, c.Host, c.Path)
		}
	})
}

// requireSafeSides is requireSafe for what goes beside the names.
func requireSafeSides(t testing.TB, r keyrules.Result) {
	t.Helper()
	for _, note := range r.Notes {
		requireSegment(t, "note", note)
	}
	texts := []string{r.Category}
	for _, tag := range r.Tags {
		texts = append(texts, tag.Value)
	}
	for _, text := range texts {
		require.LessOrEqual(t, len(text), 250)
		require.NotContains(t, text, "\n")
		require.True(t, strings.ToValidUTF8(text, "") == text, "%q", text)
	}
}

// FuzzLookupJSON: what is read of a body is what encoding/json reads of it, and no text makes it panic.
func FuzzLookupJSON(f *testing.F) {
	f.Add(`{"a":{"b":"x"},"a.b":[1,{"c":true}]}`, "a.b.1.c")
	f.Add(`{"a":`, "a")
	f.Add(`[[[[[[[[[[1]]]]]]]]]]`, "0.0.0.0.0.0.0.0.0.0")
	f.Fuzz(func(t *testing.T, text, path string) {
		got := keyrules.LookupJSON([]byte(text), path)
		var whole map[string]any
		if json.Unmarshal([]byte(text), &whole) != nil {
			return
		}
		if value, ok := whole[path].(string); ok && path != "" && strings.Count(text, "\"") == 4 {
			require.Equal(t, value, got)
		}
	})
}
