package keyrules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// lookup is what an adapter offers of a request or a message; asked notes what was looked at.
func lookup(values map[string]string, asked *[]string) func(string) string {
	return func(name string) string {
		if asked != nil {
			*asked = append(*asked, name)
		}
		return values[name]
	}
}

func TestMatchersBesideMethodAndPath(t *testing.T) {
	s := set(t,
		keyrules.Rule{Path: "/a", Statuses: []string{"404", "5xx"}, Key: "bad.{status}"},
		keyrules.Rule{Path: "/a", Headers: []keyrules.Match{{Name: "X-Kind", Value: "batch*"}}, Key: "batch"},
		keyrules.Rule{Path: "/a", Headers: []keyrules.Match{{Name: "X-Kind"}}, Key: "kind"},
		keyrules.Rule{Path: "/a", JSON: "re*", Key: "body.{json.0}"},
		keyrules.Rule{Path: "/v/{id:[0-9]+}", Key: "number"},
		keyrules.Rule{Path: "/v/{word:summary|detail}", Key: "view.{word}"},
		keyrules.Rule{Path: "/v/{id}", Key: "any"},
		keyrules.Rule{Path: "/s/{x:[^/]{2}}/**", Key: "two.{x}"},
		keyrules.Rule{Form: "cast", RPCMethod: "*", Key: "cast.{rpc.method}"},
	)
	for _, c := range []struct {
		call keyrules.Call
		key  string
	}{
		{keyrules.Call{Path: "/a", Status: 404}, "bad.404"},
		{keyrules.Call{Path: "/a", Status: 503}, "bad.503"},
		{keyrules.Call{Path: "/a", Header: lookup(map[string]string{"X-Kind": "batch-7"}, nil)}, "batch"},
		{keyrules.Call{Path: "/a", Header: lookup(map[string]string{"X-Kind": "x"}, nil)}, "kind"},
		{keyrules.Call{Path: "/a", Method: "POST", BodyKey: "reboot", Header: lookup(nil, nil)}, "body.reboot"},
		{keyrules.Call{Path: "/a", Method: "PATCH", BodyKey: "resize"}, "body.resize"},
		{keyrules.Call{Path: "/a", Method: "DELETE", BodyKey: "resize"}, "http.a.delete_all.DELETE"},
		{keyrules.Call{Path: "/a", Method: "POST", BodyKey: "stop"}, "http.a.create.POST"},
		{keyrules.Call{Path: "/v/17"}, "number"},
		{keyrules.Call{Path: "/v/17x"}, "any"},
		{keyrules.Call{Path: "/v/detail"}, "view.detail"},
		{keyrules.Call{Path: "/s/ab/c"}, "two.ab"},
		{keyrules.Call{Kind: keyrules.RPC, Form: "cast", RPCMethod: "m"}, "cast.m"},
		{keyrules.Call{Kind: keyrules.RPC, Form: "call", Topic: "t", RPCMethod: "m"}, "t.m"},
	} {
		if c.call.Method == "" {
			c.call.Method = "GET"
		}
		for range 3 { // new, seen, cached
			require.Equal(t, c.key, s.Resolve(&c.call).Key, "%+v", c.call)
		}
	}
}

func TestTemplatesOfNamedValuesAndFilters(t *testing.T) {
	for _, c := range []struct{ template, key string }{
		{"a.{path[:2]}.z", "a.v2_1.Servers.z"},
		{"a.{path[:9]}", "a.v2_1.Servers.17.getByID"},
		{"{path.1|lower}", "servers"},
		{"{path.3|snake}", "get_by_id"},
		{"{header.X-Team|lower|or:nobody}.x", "ops.x"},
		{"{header.X-None|or:nobody}.x", "nobody.x"},
		{"{json.server.name}-{json.0}", "db_1-server"},
		{"{error|or:ok}", "ok"},
		{"{method|lower}", "post"},
	} {
		s := set(t, keyrules.Rule{Methods: []string{"POST"}, Path: "/**", Key: c.template})
		call := &keyrules.Call{Method: "POST", Path: "/v2.1/Servers/17/getByID", BodyKey: "server",
			Header: lookup(map[string]string{"X-Team": "OPS"}, nil), JSON: lookup(map[string]string{"server.name": "db.1"}, nil)}
		require.Equal(t, c.key, s.Resolve(call).Key, c.template)
	}
	for in, out := range map[string]string{"HTTPServer": "http_server", "os-start": "os_start", "getX2Y": "get_x2_y", "ABC": "abc", "a b.c": "a_b_c"} {
		s := set(t, keyrules.Rule{RPCMethod: "*", Key: "{rpc.method|snake}"})
		require.Equal(t, out, s.Resolve(&keyrules.Call{Kind: keyrules.RPC, RPCMethod: in}).Key)
	}
}

// nova's conductor serves a thousand methods under two names; the arguments tell which.
func TestAllowListedArgumentsNameGenericMethods(t *testing.T) {
	s := set(t, keyrules.Rule{Topic: "conductor", RPCMethod: "object_*", Key: "nova.conductor.{rpc.arg.objname}.{rpc.arg.objmethod}"})
	require.Equal(t, keyrules.Needs{RPCArgs: []string{"objname", "objinst.nova_object.name", "objmethod"}}, s.Needs())
	for args, key := range map[string]string{
		`{"objname":"Service","objmethod":"get_by_compute_host","password":"x"}`:                             "nova.conductor.Service.get_by_compute_host",
		`{"objinst":{"nova_object.name":"Instance","nova_object.data":{"objname":"no"}},"objmethod":"save"}`: "nova.conductor.Instance.save",
		`{}`: "nova.conductor",
	} {
		var asked []string
		call := rpc("conductor", "object_action")
		call.RPCArg = func(path string) string {
			asked = append(asked, path)
			return keyrules.LookupJSON([]byte(args), path)
		}
		require.Equal(t, key, s.Resolve(call).Key)
		require.NotContains(t, asked, "password")
		for _, name := range asked {
			require.Contains(t, s.Needs().RPCArgs, name)
		}
	}
}

func TestNothingIsAskedThatNoRuleNames(t *testing.T) {
	var asked []string
	call := get("POST", "/x")
	call.Header, call.JSON = lookup(nil, &asked), lookup(nil, &asked)
	set(t, keyrules.Rule{Path: "/x", Key: "a.{json.0}"}).Resolve(call)
	require.Empty(t, asked)
	s := set(t, keyrules.Rule{Path: "/x", Key: "a.{header.X-A}.{json.b.c}.{header.X-A}"})
	s.Resolve(call)
	require.Equal(t, []string{"X-A", "b.c"}, asked)
	require.Equal(t, keyrules.Needs{Headers: []string{"X-A"}, JSONPaths: []string{"b.c"}}, s.Needs())
}

func TestLookupJSON(t *testing.T) {
	text := `{"a":{"b":"x","b.c":{"d":7}},"a.b":true,"list":[{"k":"v"},null],"n":null,"o":{},"u":"\u00e9","cut":"`
	for path, want := range map[string]string{
		"a.b": "true", "a.b.c.d": "", "list.0.k": "v", "list.1": "", "list.7": "", "list.x": "", "n": "", "o": "", "u": "é",
		"cut": "", "": "", "a": "", ".": "", "missing": "",
	} {
		require.Equal(t, want, keyrules.LookupJSON([]byte(text), path), path)
	}
	require.Equal(t, "7", keyrules.LookupJSON([]byte(`{"a":{"b":"x","b.c":{"d":7}}}`), "a.b.c.d"), "the longest key that fits")
	require.Empty(t, keyrules.LookupJSON([]byte(`not json`), "a"))
}

func TestCategoryTagsAndNotes(t *testing.T) {
	s := set(t,
		keyrules.Rule{Path: "/a/{id}", Key: "a", Category: "read", Tags: []keyrules.Tag{{Name: "team", Value: "x"}}, Notes: []string{"seen"}},
		keyrules.Rule{Path: "/b/{id}", Key: "b", Category: "{path.0}", Tags: []keyrules.Tag{{Name: "server", Value: "{id}"}, {Name: "none", Value: "{error}"}},
			Notes: []string{"{status.class}", "{error}", "x.{json.0}"[:1]}},
	)
	r := s.Resolve(get("GET", "/a/1"))
	require.Equal(t, []any{"read", []keyrules.Tag{{Name: "team", Value: "x"}}, []string{"seen"}}, []any{r.Category, r.Tags, r.Notes})
	r = s.Resolve(get("GET", "/b/a:b\n"))
	require.Equal(t, []any{"b", []keyrules.Tag{{Name: "server", Value: "a:b_"}}, []string{"2xx", "x"}}, []any{r.Category, r.Tags, r.Notes})
	r = s.Resolve(get("GET", "/c"))
	require.Zero(t, r.Category)
	require.Nil(t, r.Tags)
	require.Nil(t, r.Notes)
}

func TestRuleBoundsItsOwnKeys(t *testing.T) {
	s := set(t, keyrules.Rule{Path: "/u/{name}", Key: "u.{name}", MaxKeys: 2}, keyrules.Rule{Path: "/w/{name}", Key: "w.{name}"})
	for i, want := range []string{"u.0", "u.1", "_other", "_other"} {
		require.Equal(t, want, s.Resolve(get("GET", fmt.Sprintf("/u/%d", i))).Key)
		require.Equal(t, fmt.Sprintf("w.%d", i), s.Resolve(get("GET", fmt.Sprintf("/w/%d", i))).Key)
	}
	require.Equal(t, "u.1", s.Resolve(get("GET", "/u/1")).Key)
	require.Equal(t, uint64(2), s.Overflows())
	require.Equal(t, []keyrules.Offender{{Key: "u.2", Rule: "rule 1"}, {Key: "u.3", Rule: "rule 1"}}, s.Offenders())
}

// What is known only later must not let a call be ignored, or its body unread, too early.
func TestPeekWaitsForWhatOnlyTheEndTells(t *testing.T) {
	s := set(t,
		keyrules.Rule{Path: "/h/**", Statuses: []string{"5xx"}, Key: "bad"},
		keyrules.Rule{Ignore: true, Path: "/h/**"},
		keyrules.Rule{Ignore: true, Path: "/probe", Headers: []keyrules.Match{{Name: "X-Probe"}}},
		keyrules.Rule{Ignore: true, Path: "/notfound", Statuses: []string{"404"}},
		keyrules.Rule{Path: "/j", JSON: "x", Key: "x"},
		keyrules.Rule{Path: "/v", Key: "{json.a.b}"},
	)
	require.Equal(t, keyrules.Hint{}, s.Peek("GET", "", "/h/x"))
	require.Equal(t, "bad", s.Resolve(&keyrules.Call{Method: "GET", Path: "/h/x", Status: 500}).Key)
	require.True(t, s.Resolve(&keyrules.Call{Method: "GET", Path: "/h/x", Status: 200}).Ignore)

	probe := lookup(map[string]string{"X-Probe": "1"}, nil)
	require.Equal(t, keyrules.Hint{}, s.Peek("GET", "", "/probe"), "headers are not known")
	require.Equal(t, keyrules.Hint{Ignore: true}, s.PeekCall(&keyrules.Call{Method: "GET", Path: "/probe", Header: probe}))
	require.Equal(t, keyrules.Hint{}, s.PeekCall(&keyrules.Call{Method: "GET", Path: "/probe", Header: lookup(nil, nil)}))
	require.Equal(t, keyrules.Hint{}, s.Peek("GET", "", "/notfound"))
	require.Equal(t, keyrules.Hint{Body: true, JSON: true}, s.Peek("POST", "", "/j"), "the rule may match, or a later one")
	require.Equal(t, keyrules.Hint{}, s.Peek("GET", "", "/j"))
	require.Equal(t, keyrules.Hint{JSON: true}, s.Peek("PUT", "", "/v"))
}

func TestSiteRulesGoBeforeTheGlobalOnes(t *testing.T) {
	global := []keyrules.Rule{
		{Path: "/a", Key: "global.a"}, {Path: "/b", Key: "global.{header.X-B}"},
		{Use: "process_stack", Prefix: "nova.api"},
	}
	s, err := keyrules.Compile(keyrules.Config{MaxKeys: 4, Rules: global})
	require.NoError(t, err)
	site, err := s.With([]keyrules.Rule{{Path: "/a", Key: "site.{header.X-A}", Action: "x"}, {Use: "process_stack", Prefix: "site.api", Host: "h"}})
	require.NoError(t, err)
	require.Equal(t, []string{"X-B", "X-A"}, site.Needs().Headers)
	headers := lookup(map[string]string{"X-A": "av", "X-B": "bv"}, nil)
	require.Equal(t, "site.av", site.Resolve(&keyrules.Call{Method: "GET", Path: "/a", Header: headers}).Key)
	require.Equal(t, "global.a", s.Resolve(&keyrules.Call{Method: "GET", Path: "/a", Header: headers}).Key)
	require.Equal(t, "global.bv", site.Resolve(&keyrules.Call{Method: "GET", Path: "/b", Header: headers}).Key)
	require.Equal(t, "site.api.c.index.GET", site.Resolve(&keyrules.Call{Method: "GET", Path: "/c", Host: "h"}).Key)
	require.Equal(t, "_other", site.Resolve(&keyrules.Call{Method: "GET", Path: "/c"}).Key, "one table for both")
	require.Equal(t, "_other", s.Resolve(&keyrules.Call{Method: "GET", Path: "/d"}).Key)
	require.Equal(t, uint64(2), s.Overflows())
	require.Equal(t, uint64(2), site.Overflows())
	_, err = s.With([]keyrules.Rule{{Path: "x"}})
	require.ErrorContains(t, err, "site rule 1: path")
}

func TestMistakesOfTheWholeLanguageTellTheFix(t *testing.T) {
	many := make([]keyrules.Tag, 17)
	for rule, says := range map[*keyrules.Rule]string{
		{Path: "/a", Statuses: []string{"600"}}:                       `status "600": write a code`,
		{Path: "/a", Headers: []keyrules.Match{{Name: "a b"}}}:        `header "a b": not a header's name`,
		{Path: "/{a:[}", Key: "x"}:                                    "missing closing ]",
		{Path: "/{a:}", Key: "x"}:                                     "between 1 and 200",
		{Path: "/a", Key: "{json.}"}:                                  "write the name of one",
		{Path: "/a", Methods: []string{"GET"}, Key: "{json.a}"}:       "this rule is for GET",
		{Path: "/a", Methods: []string{"GET"}, JSON: "x"}:             "none that is read",
		{Path: "/a", Key: "{rpc.arg.x}"}:                              "known of RPC only",
		{Kind: "rpc", RPCMethod: "m", Key: "{header.x}"}:              "known of HTTP only",
		{Path: "/a", Key: "{path[2]}"}:                                "first N segments",
		{Path: "/a", Key: "x{path[:2]}"}:                              "{path[:N]} is several segments",
		{Path: "/a", Action: "{path[:2]}"}:                            "key, name and tag only",
		{Path: "/a", Key: "{method|upper}"}:                           "did you mean |",
		{Path: "/a", Key: "{route|lower}"}:                            "filters work on one",
		{Path: "/a", Key: "{method|or:}"}:                             "|or: needs the text",
		{Path: "/a", Tags: many}:                                      "at most 16",
		{Path: "/a", Tags: []keyrules.Tag{{Name: "a b", Value: "x"}}}: `tag "a b"`,
		{Path: "/a", Tags: []keyrules.Tag{{Name: "a"}}}:               "tag a: needs a value",
		{Path: "/a", Notes: []string{"a.b"}}:                          `note "a.b": it is one key segment`,
		{Path: "/a", MaxKeys: -1}:                                     "max_keys -1",
		{Use: "queue_receive", Prefix: "a", Segment: 2}:               "belongs to process_stack",
		{Path: "/a", Segment: 2}:                                      "prefix, strip and segment belong",
		{Path: "/a", Ignore: true, Category: "x"}:                     "take them out",
	} {
		_, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{*rule}})
		require.ErrorContains(t, err, says, "%+v", rule)
	}
	var rules []keyrules.Rule
	for i := range 17 {
		rules = append(rules, keyrules.Rule{Path: fmt.Sprint("/", i), Key: fmt.Sprintf("{header.X-%d}", i)})
	}
	_, err := keyrules.Compile(keyrules.Config{Rules: rules})
	require.ErrorContains(t, err, "rule 17: key")
	require.ErrorContains(t, err, "more than 16")
}
