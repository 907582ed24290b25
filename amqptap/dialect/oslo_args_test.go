package dialect

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// argsOf decodes with the paths asked for.
func argsOf(t testing.TB, body []byte, paths ...string) spanbuilder.Args {
	t.Helper()
	set, err := NewSet(Limits{}, "oslo")
	require.NoError(t, err)
	set.ReadArgs(paths)
	var m spanbuilder.Message
	_, v := set.Decode(&Record{Body: body, Exchange: "nova", RoutingKey: "conductor"}, &m)
	require.Equal(t, Decoded, v)
	return spanbuilder.Args(strings.Clone(string(m.Args)))
}

const argsText = `{"method": "object_action", "_unique_id": "x", "args": {
	"before": {"objname": "no", "deep": [{"objname": "no"}]},
	"objname": "In\"st\u0061nce", "count": 17, "on": true, "none": null, "list": ["a"],
	"objinst": {"nova_object.name": "Instance", "nova_object.data": {"objname": "no", "uuid": "u"}, "objinst": {"x": 1}},
	"objmethod": "save"}, "objname": "outside", "_context_auth_token": "hunter2"}`

func TestOnlyTheArgumentsAskedForAreRead(t *testing.T) {
	for name, body := range map[string][]byte{
		"enveloped": envelope(argsText),
		"bare":      []byte(argsText),
		"odd":       []byte(strings.Replace(string(envelope(argsText)), `\"method\"`, `\u0022method\u0022`, 1)),
	} {
		require.Empty(t, argsOf(t, body), name)
		args := argsOf(t, body, "objname", "objmethod", "objinst.nova_object.name", "objinst.objinst.x", "objinst.nova_object.data.uuid")
		require.Equal(t, `In"stance`, args.Get("objname"), name)
		require.Equal(t, "save", args.Get("objmethod"), name)
		require.Equal(t, "Instance", args.Get("objinst.nova_object.name"), name)
		require.Equal(t, "u", args.Get("objinst.nova_object.data.uuid"), name)
		require.Equal(t, "1", args.Get("objinst.objinst.x"), name)
		require.Empty(t, args.Get("count"), name)
		args = argsOf(t, body, "count", "on", "none", "list", "objinst", "before.deep.objname", "_context_auth_token", "")
		require.Equal(t, "17", args.Get("count"))
		require.Equal(t, "true", args.Get("on"))
		require.Equal(t, "count\x0017\x00on\x00true\x00", string(args), "null, lists, objects and the token are no arguments")
	}
}

func TestArgumentsOfOneMessageAreNotThoseOfTheNext(t *testing.T) {
	set, err := NewSet(Limits{})
	require.NoError(t, err)
	set.ReadArgs([]string{"a"})
	var m spanbuilder.Message
	set.Decode(&Record{Body: envelope(`{"method": "m", "_unique_id": "x", "args": {"a": "1"}}`)}, &m)
	require.Equal(t, "1", m.Args.Get("a"))
	for _, args := range []string{`{}`, `[1]`, `null`, `"{a}"`, `{"b": {"a": 1}}`} {
		set.Decode(&Record{Body: envelope(`{"method": "m", "_unique_id": "x", "args": ` + args + `}`)}, &m)
		require.Equal(t, "m", m.Method)
		require.Empty(t, m.Args, args)
	}
	set.ReadArgs(nil)
	set.Decode(&Record{Body: envelope(`{"method": "m", "_unique_id": "x", "args": {"a": "1"}}`)}, &m)
	require.Empty(t, m.Args)
}

func TestArgumentsAreBounded(t *testing.T) {
	long := strings.Repeat("v", 300)
	args := argsOf(t, envelope(`{"method": "m", "_unique_id": "x", "args": {"a": "`+long+`", "b": "`+strings.Repeat("v", maxField+1)+`", "n": "x\u0000y"}}`), "a", "b", "n")
	require.Len(t, args.Get("a"), 256)
	require.Empty(t, args.Get("b"))
	require.Equal(t, "x", args.Get("n"))
	many := make([]string, 100)
	var text []string
	for i := range many {
		many[i] = strings.Repeat("k", i+1)
		text = append(text, `"`+many[i]+`": "`+long+`"`)
	}
	require.LessOrEqual(t, len(argsOf(t, envelope(`{"method": "m", "_unique_id": "x", "args": {`+strings.Join(text, ",")+`}}`), many...)), 2048)
}

// Of the captures, what the scanner finds is what encoding/json finds.
func TestArgumentsOfCapturesAreThoseOfAWholeParser(t *testing.T) {
	paths := []string{"objname", "objmethod", "objinst.nova_object.name", "spec_obj.nova_object.data.num_instances"}
	found := 0
	for _, r := range captured(t) {
		var outer struct {
			Message string `json:"oslo.message"`
		}
		require.NoError(t, json.Unmarshal(r.Body, &outer))
		var inner struct {
			Method string          `json:"method"`
			Args   json.RawMessage `json:"args"`
		}
		require.NoError(t, json.Unmarshal([]byte(outer.Message), &inner))
		if inner.Method == "" {
			continue
		}
		got := argsOf(t, r.Body, paths...)
		for _, path := range paths {
			require.Equal(t, lookup(inner.Args, path), got.Get(path), path)
			if got.Get(path) != "" {
				found++
			}
		}
	}
	require.Greater(t, found, 20)
}

// lookup is the slow way to an argument.
func lookup(text json.RawMessage, path string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return ""
	}
	for name, value := range object {
		if name == path {
			var s any
			if json.Unmarshal(value, &s) != nil {
				return ""
			}
			if text, ok := s.(string); ok {
				return text
			}
			if s == nil || value[0] == '{' || value[0] == '[' {
				return ""
			}
			return string(value)
		}
		if rest, ok := strings.CutPrefix(path, name+"."); ok {
			return lookup(value, rest)
		}
	}
	return ""
}

// FuzzArgs shows that asking for arguments changes nothing else of what is read.
func FuzzArgs(f *testing.F) {
	f.Add(envelope(argsText), "objname", "objinst.nova_object.name")
	f.Add([]byte(argsText), "a.b", "a")
	f.Add([]byte(`{"oslo.message":"{\"args\":{\"a\":{\"\":\"\\u0022\"}},\"method\":\"m\",\"_unique_id\":\"x\"}"}`), "a.", "a")
	f.Fuzz(func(t *testing.T, body []byte, one, two string) {
		r := Record{Body: body, Exchange: "nova", RoutingKey: "conductor"}
		var plain, asked spanbuilder.Message
		without, _ := NewSet(Limits{}, "oslo")
		with, _ := NewSet(Limits{}, "oslo")
		with.ReadArgs([]string{one, two})
		_, v := without.Decode(&r, &plain)
		_, w := with.Decode(&r, &asked)
		require.LessOrEqual(t, len(asked.Args), 2048)
		if !json.Valid(body) { // broken JSON breaks where it is read
			return
		}
		var outer map[string]any
		if json.Unmarshal(body, &outer) != nil {
			return
		}
		if inner, ok := outer["oslo.message"].(string); ok && !json.Valid([]byte(inner)) || overLimits(body) {
			return
		}
		require.Equal(t, v, w)
		asked.Args = ""
		require.Equal(t, plain, asked)
	})
}

// What a rule names is what the dialect reads: the two spell paths alike.
func TestPathsMeanTheSameInRulesAndBodies(t *testing.T) {
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(argsText), &m))
	for _, path := range []string{"objname", "objinst.nova_object.name", "count"} {
		want := keyrules.LookupJSON(m["args"], path)
		require.NotEmpty(t, want)
		require.Equal(t, want, argsOf(t, envelope(argsText), path).Get(path))
	}
}
