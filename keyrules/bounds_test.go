package keyrules_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// An attacker who asks for a million paths must cost neither memory nor metrics.
func TestMillionPathsStayInBounds(t *testing.T) {
	before := heap()
	s := set(t)
	keys, names := map[string]bool{}, map[string]bool{}
	rng := rand.New(rand.NewPCG(9, 10))
	n := 1_000_000
	if raceEnabled {
		n = 100_000 // ten times slower each
	}
	for i := range n {
		path := "/" + word(rng) + "/" + word(rng) + "/" + word(rng)
		if i%3 == 0 {
			path = "/" + strings.Repeat(word(rng), 20) + path
		}
		r := s.Resolve(get("GET", path))
		if i%2 == 0 {
			s.Resolve(get("GET", path)) // a second sight brings it into the cache
		}
		keys[r.Key], names[r.Name] = true, true
	}
	require.Len(t, keys, 2001)
	require.Len(t, names, 2001)
	require.True(t, keys["_other"])
	require.True(t, names["GET"])
	require.Equal(t, 2000, s.Keys())
	require.Equal(t, uint64(n+n/2-2000-1000), s.Overflows(), "every call counts, cached or not, less the 2000 that made a key and the half of them that came again")
	grown := int64(heap()) - int64(before)
	t.Logf("%d KiB for the set after %d paths", grown>>10, n)
	require.Less(t, grown, int64(32<<20))
	runtime.KeepAlive(s)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestFullTableKeepsKnownAndConstantKeys(t *testing.T) {
	s, err := keyrules.Compile(keyrules.Config{MaxKeys: 3, Rules: []keyrules.Rule{
		{Path: "/a", Key: "constant.a", Name: "A"},
		{Methods: []string{"GET"}, Path: "/b", Key: "constant.{action}.{method}", Action: "b"},
		{Path: "/v/{x}", Key: "v.{x}"},
	}})
	require.NoError(t, err)
	require.Equal(t, "v.one", s.Resolve(get("GET", "/v/one")).Key)
	for range 3 {
		require.Equal(t, "_other", s.Resolve(get("GET", "/v/two")).Key)
	}
	require.Equal(t, uint64(3), s.Overflows())
	require.Equal(t, "v.one", s.Resolve(get("GET", "/v/one")).Key)
	require.Equal(t, "constant.a", s.Resolve(get("POST", "/a")).Key)
	require.Equal(t, "constant.b.GET", s.Resolve(get("GET", "/b")).Key)
	require.Equal(t, "GET /v/{x}", s.Resolve(get("GET", "/v/three")).Name, "names have room of their own")
	require.Equal(t, uint64(4), s.Overflows())
}

// The caller may use its buffers again: nothing of a call may be left in results or tables.
func TestResultsShareNoMemoryWithTheCall(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/r/{a}", Key: "k.{a}", Name: "n {a}", Service: "s{a}", Action: "{a}"})
	for _, path := range []string{"/r/mine", "/default/mine/detail"} {
		for range 3 { // new, second sight, from the cache
			buf := []byte(path + "GETnova-api")
			c := &keyrules.Call{Kind: keyrules.HTTP, Path: alias(buf[:len(path)]), Method: alias(buf[len(path) : len(path)+3]), Service: alias(buf[len(path)+3:])}
			r := s.Resolve(c)
			before := fmt.Sprintf("%+v", r)
			clear(buf)
			require.Equal(t, before, fmt.Sprintf("%+v", r))
		}
	}
}

func alias(b []byte) string { return unsafe.String(&b[0], len(b)) }

// What the cache answers is what would be worked out, also for calls that differ in one fact only.
func TestCacheTellsCallsApart(t *testing.T) {
	rules := []keyrules.Rule{
		{Host: "h1", Path: "/a", Key: "h1.{status}.{error}"},
		{Path: "/a", Key: "x.{status.class}", Action: "{json.0}"},
		{Queue: "q1", Key: "q1.{form}.{namespace}"},
		{Exchange: "e1", RoutingKey: "r1", Topic: "t1", Key: "e1.{error}"},
	}
	s := set(t, rules...)
	var calls []*keyrules.Call
	pick := [][]string{{"", "h1"}, {"/a", "/b"}, {"GET", "POST"}, {"", "x"}, {"", "q1"}, {"", "e1"}}
	for i := range 1 << 8 {
		c := &keyrules.Call{Kind: keyrules.HTTP, Host: pick[0][i&1], Path: pick[1][i>>1&1], Method: pick[2][i>>2&1], BodyKey: pick[3][i>>3&1],
			Status: 200 + i>>4&1*300, Error: pick[3][i>>5&1], Service: pick[3][i>>6&1]}
		if i>>7&1 == 1 {
			c = &keyrules.Call{Kind: keyrules.RPC, Queue: pick[4][i&1], Exchange: pick[5][i>>1&1], RoutingKey: "r1", Topic: "t1",
				Form: pick[3][i>>2&1], Namespace: pick[3][i>>3&1], Error: pick[3][i>>4&1], RPCMethod: pick[3][i>>5&1], Service: pick[3][i>>6&1]}
		}
		calls = append(calls, c)
	}
	for range 3 {
		for _, c := range calls {
			require.Equal(t, set(t, rules...).Resolve(c), s.Resolve(c), "%+v", c)
		}
	}
}

func TestManyGoroutinesAgree(t *testing.T) {
	s := set(t, manyRules(50)...)
	var wg sync.WaitGroup
	results := make([]map[string]string, 8)
	for g := range results {
		results[g] = map[string]string{}
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(11, uint64(g)))
			for range 20000 {
				path := fmt.Sprintf("/v2.1/things%d/%d", rng.IntN(100), rng.IntN(30))
				results[g][path] = s.Resolve(get("GET", path)).Key
				s.Peek("POST", "h", path)
			}
		})
	}
	wg.Wait()
	for path, key := range results[0] {
		require.Equal(t, key, s.Resolve(get("GET", path)).Key)
		requireSafe(t, s.Resolve(get("GET", path)))
	}
	require.Zero(t, s.Overflows())
}

// Ten thousand rules must not make a lookup slower than one does; see BenchmarkResolve for figures.
func TestLookupDoesNotGrowWithTheRules(t *testing.T) {
	cost := func(n int) time.Duration {
		s, paths := set(t, manyRules(n)...), newPaths(fmt.Sprintf("/v2.1/things%d", n-1))
		best := time.Hour
		for round := range 20 {
			start := time.Now()
			for i := range 5000 {
				s.Resolve(get("GET", paths[round*5000+i]))
			}
			best = min(best, time.Since(start)/5000)
		}
		return best
	}
	one, thousand := cost(1), cost(1000)
	t.Logf("a new path: %v with 1 rule, %v with 1000", one, thousand)
	require.Less(t, thousand, 3*one, "the aim is 2; the rest is for a busy machine")
}
