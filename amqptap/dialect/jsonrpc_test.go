package dialect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

// rpcReference reads one JSON-RPC message, or a batch, by encoding/json.
func rpcReference(body []byte) (m rpcMessage, ok bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if !utf8.Valid(body) || d.Decode(&v) != nil || d.More() {
		return m, false
	}
	if one, ok := v.(map[string]any); ok {
		return rpcOf(one), true
	}
	batch, ok := v.([]any)
	for _, e := range batch {
		if one, ok := e.(map[string]any); ok {
			m.add(rpcOf(one))
		}
	}
	return m, ok
}

func rpcOf(all map[string]any) (m rpcMessage) {
	m.version = all["jsonrpc"] == "2.0"
	m.method, _ = all["method"].(string)
	switch id := all["id"].(type) {
	case string:
		m.id = id
	case json.Number:
		m.id = id.String()
	}
	switch e := all["error"].(type) {
	case nil:
	case map[string]any:
		m.failure = "error"
		if code, ok := e["code"].(json.Number); ok && len(code) <= 24 {
			m.failure = (&jsonrpc{}).errorName(code.String())
		}
	case bool:
		m.failure = map[bool]string{true: "error"}[e]
	case string:
		if e != "" {
			m.failure = "error"
		}
	default:
		m.failure = "error"
	}
	_, result := all["result"]
	m.answers = m.method == "" && (result || m.failure != "")
	m.expected = m.method != "" && m.id != ""
	return m
}

func TestRecordedMessagesOfJSONRPC(t *testing.T) {
	require.Equal(t, map[string]int{
		"jsonrpc call jq.add": 4, "jsonrpc cast jq.add": 2, "jsonrpc reply": 4,
		"jsonrpc call jq.refuse": 4, "jsonrpc reply code 17": 4, // one of each in a batch
		"jsonrpc call jq.nope": 2, "jsonrpc reply MethodNotFound": 2,
	}, tally(t, recorded(t, "jsonrpc")))
}

func TestJSONRPCShapes(t *testing.T) {
	for _, c := range []struct {
		body, replyTo, id string
		form              spanbuilder.Form
		method, key, err  string
	}{
		{`{"jsonrpc":"2.0","method":"sum","params":{"method":"no","id":9},"id":7}`, "q", "", spanbuilder.FormCall, "sum", "7", ""},
		{`{"id":"a\u0062","method":"s\"m","jsonrpc":"2.0"}`, "q", "", spanbuilder.FormCall, `s"m`, "ab", ""},
		{`{"jsonrpc":"2.0","method":"sum","id":7}`, "q", "c", spanbuilder.FormCall, "sum", "c", ""},
		{`{"jsonrpc":"2.0","method":"sum"}`, "q", "c", spanbuilder.FormCast, "sum", "", ""},
		{`{"jsonrpc":"2.0","method":"sum","id":null}`, "q", "c", spanbuilder.FormCast, "sum", "", ""},
		{`{"jsonrpc":"2.0","method":"sum","id":7}`, "", "c", spanbuilder.FormCast, "sum", "", ""},
		{`{"jsonrpc":"2.0","result":{"error":1},"id":7}`, "", "", spanbuilder.FormReply, "", "7", ""},
		{`{"jsonrpc":"2.0","result":null,"id":7}`, "", "c", spanbuilder.FormReply, "", "c", ""},
		{`{"jsonrpc":"2.0","error":{"code":-32602,"message":"canary"},"id":7}`, "", "", spanbuilder.FormReply, "", "7", "InvalidParams"},
		{`{"jsonrpc":"2.0","error":{"code":-32700},"id":null}`, "", "c", spanbuilder.FormReply, "", "c", "ParseError"},
		{`{"jsonrpc":"2.0","error":{"code":1.5e3,"data":"canary"},"id":7}`, "", "", spanbuilder.FormReply, "", "7", "code 1.5e3"},
		{`{"jsonrpc":"2.0","error":{"code":"canary"},"id":7}`, "", "", spanbuilder.FormReply, "", "7", "error"},
		{`{"jsonrpc":"2.0","error":"canary","id":7}`, "", "", spanbuilder.FormReply, "", "7", "error"},
		{`[{"jsonrpc":"2.0","method":"note"},{"jsonrpc":"2.0","method":"sum","id":8},{"jsonrpc":"2.0","method":"x","id":9}]`, "q", "", spanbuilder.FormCall, "note", "8", ""},
		{` [1, {"jsonrpc":"2.0","method":"note"}]`, "q", "", 0, "", "", ""}, // begins with space and no message: plain's
		{`[{"jsonrpc":"2.0","result":1,"id":8}, {"jsonrpc":"2.0","error":{"code":-32603},"id":9}]`, "", "", spanbuilder.FormReply, "", "8", "InternalError"},
		{`{"jsonrpc":"1.0","method":"sum","id":7}`, "q", "", 0, "", "", ""},
		{`{"method":"sum","id":7}`, "q", "", 0, "", "", ""},
	} {
		r := Record{RoutingKey: "rpc", Body: []byte(c.body), Properties: Properties{ReplyTo: c.replyTo, CorrelationID: c.id}}
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&r, &m)
		if c.form == 0 {
			require.Equal(t, "plain", name, c.body)
			continue
		}
		require.Equal(t, "jsonrpc decoded", name+" "+v.String(), c.body)
		require.Equal(t, []any{c.form, c.method, c.key, c.err}, []any{m.Form, m.Method, m.ID, m.Error}, c.body)
	}
}

func TestJSONRPCThatCannotBeUsedIsCounted(t *testing.T) {
	for body, want := range map[string]Verdict{
		`{"jsonrpc":"2.0","id":1}`:                                             BadField,
		`{"jsonrpc":"2.0","method":["sum"],"id":1}`:                            BadField,
		`{"jsonrpc":"2.0","method":"sum"`:                                      BadJSON,
		`[{"jsonrpc":"2.0","method":"sum"}`:                                    BadJSON,
		`[{"jsonrpc":"2.0","method":"sum"},}`:                                  BadJSON,
		`{"jsonrpc":"2.0","params":` + strings.Repeat("[", 1<<10):              TooDeep,
		`{"jsonrpc":"2.0","method":"` + strings.Repeat("m", maxField+1) + `"}`: BadField,
	} {
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&Record{RoutingKey: "rpc", Body: []byte(body)}, &m)
		require.Equal(t, "jsonrpc", name, "%.60s", body)
		require.Equal(t, want, v, "%.60s", body)
	}
}

func TestJSONRPCBatchesAreCounted(t *testing.T) {
	set := newSet(t)
	var m spanbuilder.Message
	set.Decode(&Record{Body: []byte(`[{"jsonrpc":"2.0","method":"a"}]`)}, &m)
	set.Decode(&Record{Body: []byte(`{"jsonrpc":"2.0","method":"a"}`)}, &m)
	require.EqualValues(t, 1, set.Batches)
}

func FuzzJSONRPC(f *testing.F) {
	for _, r := range recorded(f, "jsonrpc") {
		f.Add(r.Body, r.Properties.ReplyTo)
	}
	f.Add([]byte(`[{"jsonrpc":"2.0","method":"a","id":1},3,{"id":"x","jsonrpc":"2.0","error":{"code":-1,"code":null}}]`), "q")
	f.Fuzz(func(t *testing.T, body []byte, replyTo string) {
		set := newSet(t)
		j := jsonrpc{shared: shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &set.addresses, batches: &set.Batches}}
		var m spanbuilder.Message
		v := j.Decode(&Record{Body: body, RoutingKey: "k", Properties: Properties{ReplyTo: replyTo}}, &m)
		if v == Decoded {
			require.NotZero(t, m.Form)
		}
		want, ok := rpcReference(body)
		if !ok || overLimits(body) || v == NotMine {
			return
		}
		require.Equal(t, want, j.rpcMessage)
	})
}
