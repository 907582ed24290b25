package dialect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

func newPlain() *plain {
	return &plain{shared: shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &addresses{}}}
}

func decodePlain(p *plain, r Record) spanbuilder.Message {
	var m spanbuilder.Message
	prepare(&r, &m)
	if v := p.Decode(&r, &m); v != Decoded {
		panic(fmt.Sprint("plain must know every message, but said ", v))
	}
	if m.Form == spanbuilder.FormCall { // as Set.Decode does
		p.addresses.add(m.VHost, m.ReplyTo)
	}
	return m
}

func TestRequestAndReplyShareTheirKey(t *testing.T) {
	const direct = directReplyTo + "g1h2AA5yZXBseUA1NzI3MjU1.AAAAAA==."
	for _, c := range []struct {
		name, replyTo, id, exchange string
	}{
		{"tutorial six", "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "1", ""},
		{"queue with a name that tells nothing", "client-7", "1", ""},
		{"direct reply-to", direct, "1", ""},
		{"direct reply-to without a correlation id", direct, "", ""},
		{"replies through a named exchange", "ed22c6b3-0596-49bd-8925-3f2ece95409e", "1", "nameko-rpc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlain()
			request := decodePlain(p, Record{RoutingKey: "greeter.hello", Exchange: c.exchange,
				Properties: Properties{ReplyTo: c.replyTo, CorrelationID: c.id, Expiration: "1500"}, Body: []byte(`{"args": []}`)})
			require.Equal(t, spanbuilder.FormCall, request.Form)
			require.Equal(t, "greeter.hello", request.Method)
			require.Equal(t, "greeter.hello", request.Topic)
			require.Equal(t, 1500*time.Millisecond, request.Timeout)

			reply := decodePlain(p, Record{RoutingKey: c.replyTo, Exchange: c.exchange, Properties: Properties{CorrelationID: c.id}})
			require.Equal(t, spanbuilder.FormReply, reply.Form)
			require.Equal(t, request.ReplyTo, reply.ReplyTo)
			require.Equal(t, request.ID, reply.ID)
		})
	}
}

func TestReplyWhoseRequestCameBeforeTheTap(t *testing.T) {
	for name, isReply := range map[string]bool{
		"amq.gen-JzTY20BRgKO-HjmUJj0wLg":       true,
		directReplyTo + "x":                    true,
		"e7bf5fb6-5051-396d-89ed-1fd6ed1ce2f3": true,
		"rpc.replies.7":                        true,
		"emails":                               false,
		"tenant-0123456789abcdef":              false,
		"":                                     false,
		"work.deadbeef.deadbeef.deadbeef.deadbeef.bee": false,
	} {
		m := decodePlain(newPlain(), Record{RoutingKey: name, Properties: Properties{CorrelationID: "for-the-log"}})
		require.Equal(t, isReply, m.Form == spanbuilder.FormReply, name)
	}
}

func TestOneWayMessages(t *testing.T) {
	p := newPlain()
	m := decodePlain(p, Record{RoutingKey: "emails", Properties: Properties{MessageID: "7"}, Body: []byte("hello")})
	require.Equal(t, spanbuilder.FormCast, m.Form)
	require.Equal(t, "emails", m.Method)
	require.Equal(t, "7", m.ID)

	m = decodePlain(p, Record{Exchange: "amq.fanout"})
	require.Equal(t, spanbuilder.FormFanout, m.Form)
	require.Equal(t, "amq.fanout", m.Topic)
}

func TestMethodAndErrorOfJSONRPC(t *testing.T) {
	p := newPlain()
	m := decodePlain(p, Record{RoutingKey: "rpc", Properties: Properties{ReplyTo: "q", CorrelationID: "1"},
		Body: []byte(`{"jsonrpc": "2.0", "params": {"method": "no"}, "method": "sum", "id": 1}`)})
	require.Equal(t, "sum", m.Method)

	for body, want := range map[string]string{
		`{"jsonrpc": "2.0", "error": {"code": -32601, "message": "secret"}, "id": 1}`:                 "-32601",
		`{"result": null, "error": {"exc_type": "ValueError", "exc_args": ["secret"], "value": "x"}}`: "ValueError",
		`{"result": null, "error": {"message": "secret"}}`:                                            "error",
		`{"result": null, "error": "it broke"}`:                                                       "error",
		`{"result": 1, "error": null}`:                                                                "",
		`{"result": 1, "error": false}`:                                                               "",
		`{"result": 1, "error": ""}`:                                                                  "",
		`{"error": "a field of the application's own"}`:                                               "",
		`{"result": 1, "error": {"class": "X"`:                                                        "",
		`["result", "error"]`:                                                                         "",
	} {
		m := decodePlain(p, Record{RoutingKey: "q", Properties: Properties{CorrelationID: "1"}, Body: []byte(body)})
		require.Equal(t, spanbuilder.FormReply, m.Form)
		require.Equal(t, want, m.Error, body)
	}
}

func TestUnroutableIsKnownOnNamedExchangesOnly(t *testing.T) {
	p := newPlain()
	r := Record{Point: spanbuilder.Published, RoutedKnown: true, Exchange: "x"}
	require.True(t, decodePlain(p, r).Unroutable)
	r.Exchange = ""
	require.False(t, decodePlain(p, r).Unroutable)
	r.Exchange, r.RoutedKnown = "x", false
	require.False(t, decodePlain(p, r).Unroutable)
}

func TestTraceHeadersOfEveryForm(t *testing.T) {
	want := spanbuilder.Context{TraceID: span.TraceID{High: 0x4bf92f3577b34da6, Low: 0xa3ce929d0e0e4736}, SpanID: 0x00f067aa0ba902b7, Decision: spanbuilder.Accept}
	set, err := NewSet(Limits{})
	require.NoError(t, err)
	for _, h := range []headerMap{
		{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{"b3": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"},
		{"X-B3-TraceId": "4bf92f3577b34da6a3ce929d0e0e4736", "X-B3-SpanId": "00f067aa0ba902b7", "X-B3-Sampled": "1"},
		{"x-b3-traceid": "4bf92f3577b34da6a3ce929d0e0e4736", "x-b3-spanid": "00f067aa0ba902b7", "x-b3-sampled": "1"},
	} {
		var m spanbuilder.Message
		name, v := set.Decode(&Record{RoutingKey: "q", Properties: Properties{Headers: h}}, &m)
		require.Equal(t, Decoded, v)
		require.Equal(t, "plain", name)
		require.Equal(t, want, m.Context, "%v", h)
	}
	var m spanbuilder.Message
	set.Decode(&Record{Properties: Properties{Headers: headerMap{"traceparent": "zz"}}}, &m)
	require.Zero(t, m.Context)
	require.EqualValues(t, 1, set.BadContext[spanbuilder.BadLength])
}

func TestExpirationIsNeverNegativeNorEndless(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": 0, "0": 0, "60000": time.Minute, "-1": 0, "1e3": 0, " 1": 0, "x": 0,
		"99999999999999999": maxTimeout, "999999999999999999": maxTimeout, "18446744073709551616": 0,
	} {
		require.Equal(t, want, expiration(in), in)
	}
}

func TestUnknownDialectIsNamed(t *testing.T) {
	_, err := NewSet(Limits{}, "oslo", "olso")
	require.EqualError(t, err, `unknown dialect "olso", known are: `+strings.Join(Names(), ", "))
}

func TestSetOfOneDialectLeavesTheRest(t *testing.T) {
	set, err := NewSet(Limits{}, "oslo")
	require.NoError(t, err)
	var m spanbuilder.Message
	name, v := set.Decode(&Record{Body: []byte("x")}, &m)
	require.Equal(t, NotMine, v)
	require.Empty(t, name)
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","method":"sum","error":{"code":-1,"exc_type":"\u0041"}}`), "q", "amq.gen-1", "1")
	f.Add([]byte(`{"result":1,"error":"x\"","method":null}`), "", "", "1")
	f.Add([]byte(`{"a":[1,{"b":"}"}],"method":"\ud83d\ude00"}`), "e7bf5fb6-5051-396d-89ed-1fd6ed1ce2f3", "", "1")
	f.Fuzz(func(t *testing.T, body []byte, key, replyTo, id string) {
		p := newPlain()
		m := decodePlain(p, Record{Body: body, RoutingKey: key, Properties: Properties{ReplyTo: replyTo, CorrelationID: id}})
		require.NotZero(t, m.Form)
		if replyTo != "" {
			q := newPlain()
			q.addresses.add("", replyTo)
			require.Equal(t, spanbuilder.FormReply, decodePlain(q, Record{RoutingKey: replyTo}).Form)
		}
		var ref map[string]any
		if !utf8.Valid(body) || overLimits(body) || json.Unmarshal(body, &ref) != nil || ref == nil {
			return
		}
		method, _ := ref["method"].(string)
		require.Equal(t, method, p.body.method)
		_, hasResult := ref["result"]
		_, hasVersion := ref["jsonrpc"]
		require.Equal(t, hasResult || hasVersion, p.body.answers)
	})
}
