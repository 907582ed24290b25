package keyrules_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// manyRules are n rules of which the last is the one that matches, the worst place to stand.
func manyRules(n int) []keyrules.Rule {
	rules := make([]keyrules.Rule, n)
	for i := range rules {
		rules[i] = keyrules.Rule{Methods: []string{"GET"}, Path: fmt.Sprintf("/v2.1/things%d/{id}", i),
			Key: fmt.Sprintf("nova.api.things%d.{action}.{method}.{status}", i), Action: "show"}
	}
	return rules
}

// manyRPCRules are n rules for RPC, of which the last matches.
func manyRPCRules(n int) []keyrules.Rule {
	rules := make([]keyrules.Rule, n)
	for i := range rules {
		rules[i] = keyrules.Rule{Topic: "compute*", RPCMethod: fmt.Sprintf("method_%d", i), Key: "nova.compute.{rpc.method}"}
	}
	return rules
}

// newPaths are more than the cache holds, in an order that it cannot learn.
func newPaths(prefix string) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	paths := make([]string, 1<<17)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s/%08x-1f2e-4d3c-8b4a-%012x", prefix, rng.Uint32(), rng.Uint64()>>16)
	}
	return paths
}

func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{0, 1, 10, 100, 1000, 10000} {
		s := set(b, manyRules(n)...)
		paths := newPaths(fmt.Sprintf("/v2.1/things%d", n-1))
		b.Run(fmt.Sprintf("rules=%d/repeated", n), func(b *testing.B) {
			call := get("GET", paths[0])
			b.ReportAllocs()
			for b.Loop() {
				s.Resolve(call)
			}
		})
		b.Run(fmt.Sprintf("rules=%d/new", n), func(b *testing.B) {
			call := get("GET", "")
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				call.Path = paths[i%len(paths)]
				i++
				s.Resolve(call)
			}
		})
	}
}

func BenchmarkResolveRPC(b *testing.B) {
	for _, n := range []int{0, 1, 1000} {
		s := set(b, manyRPCRules(n)...)
		call := rpc("compute", fmt.Sprintf("method_%d", n-1))
		b.Run(fmt.Sprintf("rules=%d/repeated", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Resolve(call)
			}
		})
	}
}

// BenchmarkResolveFlood is a client that makes up paths of words: each is a key too many.
func BenchmarkResolveFlood(b *testing.B) {
	s := set(b)
	rng := rand.New(rand.NewPCG(3, 4))
	paths := make([]string, 1<<17)
	for i := range paths {
		paths[i] = "/" + word(rng) + "/" + word(rng) + "/" + word(rng)
	}
	call := get("GET", "")
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		call.Path = paths[i%len(paths)]
		i++
		s.Resolve(call)
	}
}

func BenchmarkResolveParallel(b *testing.B) {
	s := set(b, manyRules(100)...)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		call := get("GET", "/v2.1/things7/d9b1c0c4-0c5f-4c2b-9d4f-111111111111")
		for pb.Next() {
			s.Resolve(call)
		}
	})
}

func BenchmarkPeek(b *testing.B) {
	for _, n := range []int{0, 1, 1000, 10000} {
		rules := append(manyRules(n), keyrules.Rule{Ignore: true, Methods: []string{"GET"}, Path: "/healthcheck"})
		s := set(b, rules...)
		for _, v := range [][2]string{{"GET", fmt.Sprintf("/v2.1/things%d/d9b1c0c4-0c5f-4c2b-9d4f-111111111111", n-1)},
			{"POST", "/v2.1/servers/d9b1c0c4-0c5f-4c2b-9d4f-111111111111/action"}} {
			b.Run(fmt.Sprintf("rules=%d/%s", n, v[0]), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.Peek(v[0], "nova.example.org:8774", v[1])
				}
			})
		}
	}
}

func word(rng *rand.Rand) string {
	b := make([]byte, 4+rng.IntN(8))
	for i := range b {
		b[i] = 'a' + byte(rng.IntN(26))
	}
	return string(b)
}

// What the benchmarks show as figures is a promise about allocations: they are the same everywhere.
func TestLookupsDoNotAllocate(t *testing.T) {
	s := set(t, append(manyRules(100), keyrules.Rule{Ignore: true, Path: "/healthcheck"})...)
	known := get("GET", "/v2.1/things7/d9b1c0c4-0c5f-4c2b-9d4f-111111111111")
	action := get("POST", "/v2.1/servers/77/action")
	action.BodyKey = "reboot"
	call := rpc("compute", "build_and_run_instance")
	for _, c := range []*keyrules.Call{known, action, call} {
		s.Resolve(c)
		s.Resolve(c)
		require.Zero(t, testing.AllocsPerRun(100, func() { s.Resolve(c) }))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Peek("POST", "h", "/v2.1/servers/77/action") }))

	full := set(t, keyrules.Rule{Path: "/full/{id:[0-9]+}", Key: "a.{header.X-A|snake}", Category: "{header.X-A}", Notes: []string{"{status.class}"},
		Tags: []keyrules.Tag{{Name: "id", Value: "{id}"}}, Statuses: []string{"2xx"}}, keyrules.Rule{Path: "/plain/{id}", Tags: []keyrules.Tag{{Name: "a", Value: "b"}}})
	known = get("GET", "/full/17")
	known.Header = func(string) string { return "SomeTeam" }
	full.Resolve(known)
	full.Resolve(known)
	require.Zero(t, testing.AllocsPerRun(100, func() { full.Resolve(known) }), "a rule that gives all there is, seen before")
	ids := newPaths("/plain")
	n := 0
	require.Zero(t, testing.AllocsPerRun(1000, func() { n++; full.Resolve(get("GET", ids[n])) }), "constant tags")

	paths, i := newPaths("/v2.1/servers"), 0
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		i++
		s.Resolve(get("GET", paths[i]))
	}), "a path never seen, of a route that was")
	rng := rand.New(rand.NewPCG(5, 6))
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { s.Resolve(get("GET", "/"+word(rng))) })-2, 2.0,
		"a route never seen: its key and its name (word itself takes two)")
}
