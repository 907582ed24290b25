package keyrules_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestFirstMatchWins(t *testing.T) {
	s := set(t,
		keyrules.Rule{Methods: []string{"GET"}, Path: "/a/{x}", Key: "one"},
		keyrules.Rule{Methods: []string{"GET"}, Path: "/a/b", Key: "two"},
		keyrules.Rule{Path: "/a/**", Key: "three"},
		keyrules.Rule{Methods: []string{"GET", "PURGE"}, Path: "/a/*/c", Key: "four"},
		keyrules.Rule{Methods: []string{"PURGE"}, Key: "five.{method}"},
		keyrules.Rule{Host: "*.example.org", Path: "/h", Key: "six"},
		keyrules.Rule{Host: "api:8080", Path: "/h", Key: "seven"},
		keyrules.Rule{Path: "/h", Key: "eight.{host}"},
		keyrules.Rule{Methods: []string{"_OTHER"}, Path: "/odd", Key: "nine.{method}"},
	)
	for call, key := range map[string]string{
		"GET /a/b": "one", "GET /a/b/": "one", "GET /a/b/c": "three", "POST /a/b": "three", "GET /a": "three",
		"PURGE /a/x/c": "three", "PURGE /z/y": "five.PURGE", "GET /h host=Www.Example.ORG:80": "six",
		"GET /h host=api:8080": "seven", "GET /h host=api": "eight.api", "GET /h host=[::1]:80": "eight.___1_",
		"GET /ab": "http.ab.index.GET", "BREW /a": "three", "BREW /odd": "nine._OTHER", "GET /odd": "http.odd.index.GET", "BREW /": "http._OTHER",
	} {
		method, rest, _ := strings.Cut(call, " ")
		path, host, _ := strings.Cut(rest, " host=")
		c := &keyrules.Call{Kind: keyrules.HTTP, Method: method, Path: path, Host: host}
		require.Equal(t, key, s.Resolve(c).Key, call)
	}
}

func TestRPCRulesMatchByEveryFact(t *testing.T) {
	s := set(t,
		keyrules.Rule{Ignore: true, Topic: "reply_*"},
		keyrules.Rule{Topic: "compute*", RPCMethod: "build_and_run_instance", Key: "nova.compute.{rpc.method}", Service: "rpc{method}"},
		keyrules.Rule{Exchange: "neutron", Key: "exchange.{exchange}"},
		keyrules.Rule{RoutingKey: "a.*.c", Key: "rk.{routing_key}"},
		keyrules.Rule{Queue: "jobs", Namespace: "*", Key: "queue.{queue}.{namespace}"},
		keyrules.Rule{Namespace: "baseapi", Key: "ns.{form}.{error}.x"},
		keyrules.Rule{Kind: "rpc", RPCMethod: "*_all", Key: "all.{rpc.method}.{topic}", Action: "{rpc.method}", Name: "{topic} {action}"},
	)
	for _, c := range []struct {
		call keyrules.Call
		key  string
	}{
		{keyrules.Call{Topic: "compute1", RPCMethod: "build_and_run_instance"}, "nova.compute.build_and_run_instance"},
		{keyrules.Call{Topic: "scheduler", RPCMethod: "build_and_run_instance"}, "scheduler.build_and_run_instance"},
		{keyrules.Call{Exchange: "neutron", RPCMethod: "x"}, "exchange.neutron"},
		{keyrules.Call{RoutingKey: "a.b.c"}, "rk.a_b_c"},
		{keyrules.Call{RoutingKey: "a.b.d"}, "rpc._none"},
		{keyrules.Call{Queue: "jobs"}, "queue.jobs"},
		{keyrules.Call{Namespace: "baseapi", Form: "cast"}, "ns.cast.x"},
		{keyrules.Call{Namespace: "baseapi", Form: "call", Error: "Timeout"}, "ns.call.Timeout.x"},
		{keyrules.Call{Topic: "t", RPCMethod: "sync_all"}, "all.sync_all.t"},
	} {
		c.call.Kind = keyrules.RPC
		require.Equal(t, c.key, s.Resolve(&c.call).Key)
	}
	require.True(t, s.Resolve(rpc("reply_1", "x")).Ignore)
	r := s.Resolve(rpc("t", "sync_all"))
	require.Equal(t, []string{"t sync_all", "sync_all"}, []string{r.Name, r.Action})
	require.Equal(t, "rpcbuild_and_run_instance", s.Resolve(rpc("compute", "build_and_run_instance")).Service)
}

func TestTemplates(t *testing.T) {
	call := get("POST", "/v2.1/servers/17/action")
	call.BodyKey, call.Status, call.Error, call.Host = "reboot", 503, "Timeout", "API.example.org:8774"
	for _, c := range []struct {
		rule keyrules.Rule
		want keyrules.Result
	}{
		{keyrules.Rule{Key: "nova.api.servers.{action}.{method}", Action: "{json.0}"},
			keyrules.Result{Key: "nova.api.servers.reboot.POST", Name: "POST /v2.1/servers/{id}/action", Action: "reboot"}},
		{keyrules.Rule{Key: "x.{id}.{path.1}.{path.9}.{status}.{status.class}.{error}", Name: "{method} {path.1}: {json.0}", Service: "{host}"},
			keyrules.Result{Key: "x.17.servers.503.5xx.Timeout", Name: "POST servers: reboot", Service: "api.example.org", Action: "reboot"}},
		{keyrules.Rule{Key: "nova.{route}.{action}", Name: "{route}", Service: "s-{service}"},
			keyrules.Result{Key: "nova.v2_1.servers.reboot", Name: "/v2.1/servers/{id}/action", Service: "s-nova-api", Action: "reboot"}},
		{keyrules.Rule{Key: "{service}.{action}", Service: "a.b", Action: "x-{method}"},
			keyrules.Result{Key: "a_b.x-POST", Name: "POST /v2.1/servers/{id}/action", Service: "a.b", Action: "x-POST"}},
		{keyrules.Rule{Key: "{error}{status}-{id}"},
			keyrules.Result{Key: "Timeout503-17", Name: "POST /v2.1/servers/{id}/action", Action: "reboot"}},
		{keyrules.Rule{},
			keyrules.Result{Key: "nova-api.v2_1.servers.reboot.POST", Name: "POST /v2.1/servers/{id}/action", Action: "reboot"}},
	} {
		c.rule.Methods, c.rule.Path, c.rule.File, c.rule.Line = []string{"POST"}, "/v2.1/servers/{id}/action", "Caddyfile", 7
		if c.want.Service == "" {
			c.want.Service = "nova-api"
		}
		c.want.Rule = "Caddyfile:7"
		require.Equal(t, c.want, set(t, c.rule).Resolve(call))
	}
}

// A value that a template asks for and the call does not have leaves no hole, and no empty key.
func TestEmptyValuesLeaveNoEmptyKey(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/a", Key: "{error}.{status}.{json.0}", Name: "{error}", Service: "{error}"})
	r := s.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Method: "GET", Path: "/a", Status: -1})
	require.Equal(t, keyrules.Result{Key: "_none", Name: "GET /a", Action: "index", Rule: "rule 1"}, r)
}

// The radix index must find what trying one rule after the other finds, on patterns that overlap in
// every way.
func TestIndexAgreesWithTryingRulesInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	words := []string{"a", "b", "*", "{x}"}
	methods := []string{"GET", "POST", "ODD"}
	for range 300 {
		var rules []keyrules.Rule
		for i := range 1 + rng.IntN(12) {
			r := keyrules.Rule{Kind: "http", Key: fmt.Sprintf("rule.%d", i), Path: "/"}
			for j, n := 0, rng.IntN(4); j < n; j++ {
				r.Path += strings.Replace(words[rng.IntN(len(words))], "x", fmt.Sprintf("x%d", j), 1) + "/"
			}
			if rng.IntN(3) == 0 {
				r.Path += "**"
			}
			if rng.IntN(2) == 0 {
				r.Methods = []string{methods[rng.IntN(len(methods))]}
			}
			if rng.IntN(3) == 0 {
				r.Host = "h" + fmt.Sprint(rng.IntN(2))
			}
			rules = append(rules, r)
		}
		s := set(t, rules...)
		for range 40 {
			c := &keyrules.Call{Kind: keyrules.HTTP, Method: methods[rng.IntN(len(methods))], Host: "h" + fmt.Sprint(rng.IntN(3)), Path: "/"}
			for range rng.IntN(5) {
				c.Path += []string{"a", "b", "c"}[rng.IntN(3)] + "/"
			}
			want := "default"
			for i, r := range rules {
				if tried(r, c) {
					want = fmt.Sprintf("rule %d", i+1)
					break
				}
			}
			require.Equal(t, want, s.Resolve(c).Rule, "%+v\n%+v", c, rules)
		}
	}
}

// tried is the meaning of a pattern, written down without a thought of speed.
func tried(r keyrules.Rule, c *keyrules.Call) bool {
	if len(r.Methods) > 0 && r.Methods[0] != c.Method || r.Host != "" && r.Host != c.Host {
		return false
	}
	pattern, path := strings.Fields(strings.ReplaceAll(r.Path, "/", " ")), strings.Fields(strings.ReplaceAll(c.Path, "/", " "))
	for i, p := range pattern {
		if p == "**" {
			return true
		}
		if i >= len(path) || p != "*" && p[0] != '{' && p != path[i] {
			return false
		}
	}
	return len(pattern) == len(path)
}

// A fanout of wildcards side by side with literals must not make a lookup try every way down.
func TestWildcardsDoNotMultiplyWork(t *testing.T) {
	var rules []keyrules.Rule
	for i := range 1 << 10 { // all paths of ten segments, each a literal or a wildcard
		path := ""
		for bit := range 10 {
			path += []string{"/a", "/*"}[i>>bit&1]
		}
		rules = append(rules, keyrules.Rule{Path: path + "/end", Key: fmt.Sprintf("k%d", i)})
	}
	s := set(t, rules...)
	start := time.Now()
	for range 100 {
		s.Peek("POST", "", "/a/a/a/a/a/a/a/a/a/a/miss")
	}
	require.Less(t, time.Since(start)/100, 2*time.Millisecond)
	require.Equal(t, "k0", s.Resolve(get("GET", "/a/a/a/a/a/a/a/a/a/a/end")).Key)
	require.Equal(t, "k1023", s.Resolve(get("GET", "/b/b/b/b/b/b/b/b/b/b/end")).Key)
}

func TestPeek(t *testing.T) {
	s := set(t,
		keyrules.Rule{Ignore: true, Methods: []string{"GET"}, Path: "/healthcheck"},
		keyrules.Rule{Ignore: true, Host: "probe.*"},
		keyrules.Rule{Path: "/fixed/action", Action: "fixed"},
		keyrules.Rule{Path: "/json/**", Key: "a.{json.0}"},
		keyrules.Rule{Path: "/own/**", Action: "{json.0}"},
		keyrules.Rule{Path: "/plain/**", Key: "b"},
		keyrules.Rule{Use: "process_stack", Prefix: "nova.api"},
	)
	for call, want := range map[string]keyrules.Hint{
		"GET h /healthcheck":        {Ignore: true},
		"POST h /healthcheck":       {},
		"POST probe.7 /x/action":    {Ignore: true},
		"POST h /servers/1/action":  {Body: true},
		"POST h /servers/1/action/": {Body: true},
		"GET h /servers/1/action":   {},
		"PUT h /json/x":             {Body: true},
		"DELETE h /json/x":          {},
		"POST h /fixed/action":      {},
		"POST h /json/x":            {Body: true},
		"POST h /own/x":             {Body: true},
		"POST h /plain/x":           {},
		"POST h /plain/action":      {Body: true},
		"POST h /servers":           {},
		"BREW h /own/action":        {},
	} {
		f := strings.Fields(call)
		require.Equal(t, want, s.Peek(f[0], f[1], f[2]), call)
	}
	require.Equal(t, keyrules.Hint{Body: true}, set(t).Peek("POST", "", "/a/action"), "no rules: the default's shape")
}
