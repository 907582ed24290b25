package keyrules_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// fuzzRules use every matcher, every template name and both built-ins.
func fuzzRules() []keyrules.Rule {
	return []keyrules.Rule{
		{Ignore: true, Path: "/healthcheck"},
		{Methods: []string{"POST"}, Path: "/a/{id}/action", Key: "a.{id}.{json.0}.{path.1}.{status}", Name: "{json.0} {host}", Service: "{id}", Action: "x{json.0}"},
		{Host: "*.example.org", Path: "/r/{x}/**", Key: "r.{route}.{x}{error}.{status.class}.{action}.{service}", Name: "{route} {x}"},
		{Path: "/d/*/**"},
		{Topic: "c*", Queue: "*q*", Key: "{exchange}.{topic}.{queue}.{routing_key}.{namespace}.{rpc.method}.{form}.{error}", Name: "{queue}", Service: "rpc{rpc.method}", Action: "{topic}"},
		{Use: "process_stack", Prefix: "nova.api", Strip: []string{"/v2.1", "/v2/{p}"}, Host: "h*"},
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
		for _, s := range []*keyrules.Set{with, without} {
			r := s.Resolve(&c)
			requireSafe(t, r)
			require.Equal(t, r, s.Resolve(&c))
			require.Equal(t, r, s.Resolve(&c), "from the cache")
			if !http {
				continue
			}
			hint := s.Peek(method, host, path)
			require.Equal(t, r.Ignore, hint.Ignore)
			bare := c
			bare.BodyKey = ""
			if !hint.Body {
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
