package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/keyrules"
)

// benchRules measures how fast rules are looked up, and how well actions are guessed without any.
func benchRules(_ context.Context, r *rig) error {
	if err := benchLookups(r); err != nil {
		return err
	}
	return benchActions(r)
}

// benchLookups looks up calls in rule sets of growing size: a path that repeats, as a polled list does,
// and paths that were never seen, as every server's own path is.
func benchLookups(r *rig) error {
	repeated, fresh := map[int]float64{}, map[int]float64{}
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		set, err := keyrules.Compile(ruleSet(n))
		if err != nil {
			return err
		}
		paths := newPaths(n)
		i := 0
		var allocs float64
		repeated[n], allocs = timed(func() { lookUp(set, paths[0]) })
		r.board.add(figure{"rules", fmt.Sprintf("lookup, %d rules, repeated path", n), repeated[n], "ns", atMost(300, ""), fmt.Sprintf("%.0f allocs", allocs)})
		fresh[n], allocs = timed(func() {
			i++
			lookUp(set, paths[i%len(paths)])
		})
		r.board.add(figure{"rules", fmt.Sprintf("lookup, %d rules, new path", n), fresh[n], "ns", atMost(1500, ""), fmt.Sprintf("%.0f allocs", allocs)})
	}
	r.board.add(figure{"rules", "lookup, repeated path, 1,000 rules / 1 rule", repeated[1000] / repeated[1], "", atMost(2, ""), ""})
	r.board.add(figure{"rules", "lookup, new path, 1,000 rules / 1 rule", fresh[1000] / fresh[1], "", atMost(2, ""), ""})
	return nil
}

// lookUp asks what the handler asks of every request.
func lookUp(set *keyrules.Set, path string) keyrules.Result {
	set.Peek("GET", "nova.example.org", path)
	return set.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Service: "nova-api", Method: "GET", Host: "nova.example.org", Path: path, Status: 200})
}

// ruleSet has n rules, of which the last one matches what is looked up.
func ruleSet(n int) keyrules.Config {
	c := keyrules.Config{}
	for i := range n {
		c.Rules = append(c.Rules, keyrules.Rule{
			Methods: []string{"GET"}, Path: fmt.Sprintf("/v2.1/things%d/{id}", i),
			Key: fmt.Sprintf("nova.api.things%d.{action}.{method}", i), Action: "show",
		})
	}
	return c
}

// newPaths are more than any cache would hold, in an order that no cache can foresee.
func newPaths(n int) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	paths := make([]string, 1<<17)
	for i := range paths {
		paths[i] = fmt.Sprintf("/v2.1/things%d/%016x-b43f-b259807c6e87", n-1, rng.Uint64())
	}
	return paths
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// benchActions holds the actions that calltap gives against a real API's route table: by REST shape alone,
// which knows nothing of that API, and with the table given.
func benchActions(r *rig) error {
	f, err := os.Open(filepath.Join(harness.Root(), "keyrules/testdata/nova.tsv"))
	if err != nil {
		return err
	}
	defer f.Close()
	table, err := keyrules.ParseRoutes(f, "nova.tsv")
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name   string
		config keyrules.Config
		floor  float64
	}{
		{"by REST shape alone", keyrules.Config{}, 0.95},
		{"with the table", keyrules.Config{Routes: []keyrules.Routes{{Prefix: "/v2.1", Table: table}}}, 1},
	} {
		set, err := keyrules.Compile(v.config)
		if err != nil {
			return err
		}
		right := 0
		for _, route := range table {
			path := "/v2.1" + placeholder.ReplaceAllString(route.Path, "d9b1c0c4-0c5f-4c2b-9d4f-1234567890ab")
			if set.Resolve(&keyrules.Call{Kind: keyrules.HTTP, Method: route.Method, Path: path}).Action == route.Action {
				right++
			}
		}
		r.board.add(figure{"rules", "actions of nova's API " + v.name, float64(right) / float64(len(table)), "",
			atLeast(v.floor, ""), fmt.Sprintf("%d of %d routes", right, len(table))})
	}
	return nil
}
