package keyrules_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestExplainTellsWhyEachRuleBeforeDidNotMatch(t *testing.T) {
	rules := []keyrules.Rule{
		{Kind: "rpc", RPCMethod: "m", Key: "a"},
		{Methods: []string{"GET", "PUT"}, Path: "/servers/{id}", Key: "a"},
		{Path: "/volumes/{id}", Key: "a"},
		{Path: "/servers", Key: "a"},
		{Path: "/servers/{id}/action/x", Key: "a"},
		{Path: "/servers/{id:[a-z]+}/action", Key: "a"},
		{Path: "/servers/**", Host: "h*", Key: "a"},
		{Path: "/servers/**", Headers: []keyrules.Match{{Name: "X-A"}}, Key: "a"},
		{Path: "/servers/**", Headers: []keyrules.Match{{Name: "X-B", Value: "b"}}, Key: "a"},
		{Path: "/servers/**", JSON: "stop", Key: "a"},
		{Path: "/servers/**", Statuses: []string{"5xx"}, Key: "a"},
		{Methods: []string{"POST"}, Path: "/servers/{id}/action", Key: "nova.{action}", Service: "nova", Category: "write", Tags: []keyrules.Tag{{Name: "t", Value: "v"}}, Notes: []string{"n"}},
		{Path: "/late", Key: "late"},
	}
	for i := range rules {
		rules[i].File, rules[i].Line = "Caddyfile", i+1
	}
	s := set(t, rules...)
	call := get("POST", "/servers/17/action")
	call.BodyKey, call.Header = "reboot", lookup(map[string]string{"X-B": "secret"}, nil)
	e := s.Explain(call)
	want := keyrules.Explanation{Key: "nova.reboot", Span: "POST /servers/{id}/action", Service: "nova", Action: "reboot", ActionFrom: "body", Rule: "Caddyfile:12",
		Category: "write", Tags: []keyrules.Tag{{Name: "t", Value: "v"}}, Notes: []string{"n"}}
	for i, why := range []string{
		"kind: HTTP is not RPC", "method: POST is not GET or PUT", "path: servers is not volumes of /volumes/{id}",
		"path: goes on with 17 behind /servers", "path: ends before x of /servers/{id}/action/x",
		"path: 17 is not {id:[a-z]+} of /servers/{id:[a-z]+}/action", "host: nothing is not h*", "header: there is no X-A",
		"header: X-B is not b", "json: first key reboot is not stop", "status: 200 is none of the rule's",
	} {
		want.Before = append(want.Before, keyrules.Miss{Rule: fmt.Sprintf("Caddyfile:%d", i+1), Why: why})
	}
	require.Equal(t, want, e)
	require.Contains(t, e.String(), "rule      Caddyfile:12\nkey       nova.reboot\nspan      POST /servers/{id}/action\nservice   nova\naction    reboot (first key of the JSON body)\n")
	require.Contains(t, e.String(), "before    Caddyfile:1  kind: HTTP is not RPC\n          Caddyfile:2  method")
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
	for _, word := range []string{`"key":"nova.reboot"`, `"span":`, `"service":`, `"action":"reboot"`, `"rule":"Caddyfile:12"`} {
		require.Contains(t, string(text), word)
	}

	require.Equal(t, "topic: conductor is not compute*", set(t, keyrules.Rule{Topic: "compute*", Key: "a"}).Explain(rpc("conductor", "m")).Before[0].Why)
	ignored := set(t, keyrules.Rule{Ignore: true, Path: "/h"}).Explain(get("GET", "/h"))
	require.True(t, ignored.Ignore)
	require.Contains(t, ignored.String(), "neither traced nor counted")
	require.Equal(t, "default", set(t).Explain(get("GET", "/x")).Rule)
}

// A question must not be an answer to the next one.
func TestExplainChangesNothing(t *testing.T) {
	s := compiled(t, keyrules.Config{MaxKeys: 1, Rules: []keyrules.Rule{{Path: "/b/{x}", Key: "b.{x}", MaxKeys: 1}}})
	for i := range 5 {
		require.Equal(t, fmt.Sprintf("b.%d", i), s.Explain(get("GET", fmt.Sprintf("/b/%d", i))).Key)
		s.Explain(get("GET", "/unmatched"))
	}
	require.Zero(t, s.Keys())
	require.Zero(t, s.Overflows())
	require.Empty(t, s.Unmatched())
	require.Empty(t, s.Offenders())
}

func TestExplainAgreesWithResolve(t *testing.T) {
	s := set(t, fuzzRules()...)
	for _, c := range []*keyrules.Call{get("POST", "/a/17/action"), get("GET", "/d/x/y"), get("GET", "/healthcheck"), get("GET", "/v2.1/x"), rpc("compute", "m"), rpc("x", "m")} {
		r, e := s.Resolve(c), s.Explain(c)
		require.Equal(t, []string{r.Rule, r.Service, r.Action}, []string{e.Rule, e.Service, e.Action})
		if !r.Ignore {
			require.Equal(t, []string{r.Key, r.Name}, []string{e.Key, e.Span})
		}
	}
}
