package keyrules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

func TestCallsWithoutARuleAreLearned(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/known", Key: "known"})
	for i := range 7 {
		s.Resolve(get("GET", fmt.Sprintf("/servers/%d", i)))
	}
	for range 5 {
		s.Resolve(get("POST", "/servers/17/tok/gAAAAABmT0pZyX3kq9vZk1LmN8pQr2sT/action"))
		s.Resolve(get("GET", "/known"))
	}
	for range 3 {
		s.Resolve(rpc("compute", "build_and_run_instance"))
	}
	seen := s.Unmatched()
	require.Equal(t, []keyrules.Unmatched{
		{Kind: "http", Method: "GET", Path: "/servers/{id}", Action: "show", Service: "nova-api", Key: "nova-api.servers.show.GET", Count: 7},
		{Kind: "http", Method: "POST", Path: "/servers/{id}/tok/{id}/action", Action: "action", Service: "nova-api", Key: "nova-api.servers.tok.action.POST", Count: 5,
			Example: "/servers/17/tok/{id}/action"},
		{Kind: "rpc", Method: "build_and_run_instance", Exchange: "nova", Topic: "compute", Key: "compute.build_and_run_instance", Count: 3},
	}, seen)
	require.Zero(t, s.UnmatchedLost())
}

// What is learned is a file that loads, and then nothing of it is without a rule any more.
func TestStarterRulesLoadAndMatch(t *testing.T) {
	s := set(t)
	calls := []*keyrules.Call{get("GET", "/"), get("GET", "/servers/17"), get("BREW", "/x"), get("POST", "/servers/17/action"), get("PUT", "/a b/c"),
		get("GET", "/a/b/c/d/e/f/g/h/i/j/k/l"), get("GET", "/17/x/18/y/{id}"), get("GET", "/semi;colon/y;"), rpc("compute", "build"), rpc("reply_0a1b2c3d4e5f60718293a4b5c6d7e8f9", "x y"), rpc("", "z;")}
	for _, c := range calls {
		s.Resolve(c)
	}
	require.Len(t, s.Unmatched(), len(calls))
	file := keyrules.StarterRules(s.Unmatched())
	c, err := keyrules.ParseRules([]byte(file), "starter.rules", nil)
	require.NoError(t, err, file)
	again := compiled(t, c)
	for _, call := range calls {
		was, is := s.Resolve(call), again.Resolve(call)
		require.NotEqual(t, "default", is.Rule, file)
		require.Equal(t, []string{was.Action}, []string{is.Action}, call.Path)
	}
	require.Empty(t, again.Unmatched())
}

// made is a path of words, another for each i below 1000.
func made(i int) string {
	return "/" + strings.Repeat("x", i%10+1) + "/" + strings.Repeat("y", i/10%10+1) + "/" + strings.Repeat("z", i/100+1)
}

func TestLearningIsBounded(t *testing.T) {
	s := compiled(t, keyrules.Config{MaxKeys: 10_000})
	for i := range 1000 {
		s.Resolve(get("GET", made(i)))
	}
	require.Len(t, s.Unmatched(), 512)
	require.Equal(t, uint64(1000-512), s.UnmatchedLost())
	full := compiled(t, keyrules.Config{MaxKeys: 1})
	for i := range 100 {
		full.Resolve(get("GET", made(i)))
	}
	require.Len(t, full.Offenders(), 32)
	require.Equal(t, keyrules.Offender{Key: "nova-api.xx.y.z.index.GET", Rule: "default"}, full.Offenders()[0])
}

func FuzzStarterRules(f *testing.F) {
	f.Add(false, "GET", "/servers/{id}/`x`/\"", "show", "t")
	f.Add(true, "build;{}", "", "", "a;b\n")
	f.Fuzz(func(t *testing.T, isRPC bool, method, path, action, topic string) {
		s := set(t)
		c := get(method, path)
		if isRPC {
			c = rpc(topic, method)
		}
		c.BodyKey = action
		s.Resolve(c)
		file := keyrules.StarterRules(s.Unmatched())
		parsed, err := keyrules.ParseRules([]byte(file), "F", nil)
		require.NoError(t, err, file)
		_, err = keyrules.Compile(parsed)
		require.NoError(t, err, file)
	})
}

func TestWarnings(t *testing.T) {
	rules := []keyrules.Rule{
		{Path: "/a/**", Key: "a"},
		{Methods: []string{"GET"}, Path: "/a/{id}", Key: "b"}, // 2: hidden by 1
		{Methods: []string{"GET", "PUT"}, Path: "/b/{x}", Key: "c"},
		{Methods: []string{"GET"}, Path: "/b/word", Key: "d"}, // 4: hidden by 3
		{Methods: []string{"GET", "POST"}, Path: "/b/{y}", Key: "e"},
		{Path: "/h", Host: "h", Key: "f"},
		{Path: "/h", Key: "g"},
		{Path: "/n/{id:[0-9]+}", Key: "n.x"},
		{Path: "/n/17", Key: "o"},        // 9: hidden by 8
		{Path: "/p/{id}", Key: "p.{id}"}, // 10: many keys
		{Path: "/q/{v:summary|detail}", Key: "q.{v}"},
		{Path: "/r/{id}", Key: "r.{id}", MaxKeys: 9},
		{Path: "/s/{id}", Key: "s.{path[:2]}"}, // 13
		{Topic: "compute*", Key: "t"},
		{Topic: "compute1", RPCMethod: "m", Key: "u"}, // 15: hidden by 14
		{Topic: "x", RPCMethod: "m", Key: "v", Name: "same"},
		{Topic: "y", RPCMethod: "m", Key: "w", Name: "same"}, // 17
		{Path: "/z", Statuses: []string{"5xx"}, Key: "x"},
		{Path: "/z", Statuses: []string{"503"}, Key: "y"}, // 19: hidden by 18
		{Path: "/z", Key: "z"},
		{Path: "/y/{id}", Key: "y.{path.1}", File: "Caddyfile"}, // 21
		{Use: "process_stack", Prefix: "nova.api"},              // 22
		{Use: "process_stack", Prefix: "nova.api", Segment: 2, Path: "/x/**"},
	}
	for i := range rules {
		rules[i].File, rules[i].Line = "Caddyfile", i+1
	}
	var got []string
	for _, w := range set(t, rules...).Warnings() {
		got = append(got, w.String())
	}
	const dead = ": no call gets here: the rule at Caddyfile:%d takes all that this one would; put this one first, or take it out"
	const many = ", which takes any value, so each is a metric of its own; take it out, or bound the rule with max_keys"
	require.Equal(t, []string{
		"Caddyfile:2" + fmt.Sprintf(dead, 1),
		"Caddyfile:4" + fmt.Sprintf(dead, 3),
		"Caddyfile:9" + fmt.Sprintf(dead, 8),
		"Caddyfile:10: key has {id} in it" + many,
		"Caddyfile:13: key has {path[:2]} in it" + many,
		"Caddyfile:15" + fmt.Sprintf(dead, 14),
		`Caddyfile:17: name "same" is that of Caddyfile:16 too, so their spans cannot be told apart; give one another name`,
		"Caddyfile:19" + fmt.Sprintf(dead, 18),
		"Caddyfile:21: key has {path.1} in it" + many,
		"Caddyfile:22: use process_stack puts the second segment of the path into the key, ids too, so each is a metric of its own; take it out, or bound the rule with max_keys",
		"Caddyfile:23" + fmt.Sprintf(dead, 22),
	}, got)
	twice := compiled(t, keyrules.Config{Routes: []keyrules.Routes{{Table: []keyrules.Route{
		{Method: "GET", Path: "/a/{id}", Action: "show", File: "t", Line: 1}, {Method: "GET", Path: "/a/{x}", Action: "get", File: "t", Line: 2},
		{Method: "GET", Path: "/a/{y}", Action: "show", File: "t", Line: 3}}}}})
	require.Equal(t, []keyrules.Warning{{Where: "t:2", Text: "the route is told at t:1 already, with action show; take one out"}}, twice.Warnings())
}

// Warnings are asked for at each reload; a large rule set must not make that a wait.
func TestWarningsOfManyRulesAreQuick(t *testing.T) {
	var named []keyrules.Rule
	for i := range 10_000 {
		named = append(named, keyrules.Rule{Path: fmt.Sprintf("/x%d/{id}", i), Name: fmt.Sprint("n", i), Key: "k"},
			keyrules.Rule{Topic: "t*", RPCMethod: fmt.Sprint("m", i), Key: "k"})
	}
	s := set(t, named...)
	start := time.Now()
	require.Empty(t, s.Warnings())
	t.Logf("warnings of %d rules take %v", len(named), time.Since(start))
	require.Less(t, time.Since(start), 5*time.Second)
}
