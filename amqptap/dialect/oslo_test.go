package dialect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

func decodeOslo(r *Record) (spanbuilder.Message, Verdict) {
	var m spanbuilder.Message
	d := registry[0].make(shared{limits: Limits{MaxBody: DefaultMaxBody}})
	prepare(r, &m)
	return m, d.Decode(r, &m)
}

// envelope wraps an inner message as Python's json.dumps does.
func envelope(inner string) []byte {
	s, err := json.Marshal(inner)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"oslo.version": "2.0", "oslo.message": %s}`, s)
}

func TestCapturedMessagesDecodeAsEncodingJSONDoes(t *testing.T) {
	forms := map[spanbuilder.Form]int{}
	for i, r := range captured(t) {
		want, ok := reference(&r)
		require.True(t, ok, "record %d", i)
		got, v := decodeOslo(&r)
		require.Equal(t, Decoded, v, "record %d", i)
		require.Equal(t, want, got, "record %d", i)
		forms[got.Form]++
	}
	for _, f := range []spanbuilder.Form{spanbuilder.FormCall, spanbuilder.FormCast, spanbuilder.FormFanout, spanbuilder.FormNotification, spanbuilder.FormReply} {
		require.NotZero(t, forms[f], "form %d is not in the captures", f)
	}
}

func TestCompactSeparatorsAndEveryOtherSpacing(t *testing.T) {
	for _, r := range captured(t) {
		want, ok := reference(&r)
		require.True(t, ok)
		for _, respace := range []func([]byte) []byte{compact, indent} {
			body := r.Body
			var outer map[string]any
			require.NoError(t, json.Unmarshal(body, &outer))
			inner, ok := outer["oslo.message"].(string)
			if !ok {
				continue
			}
			r.Body = envelope(string(respace([]byte(inner))))
			got, v := decodeOslo(&r)
			require.Equal(t, Decoded, v)
			got.Size, want.Size = 0, 0
			require.Equal(t, want, got)
			r.Body = body
		}
	}
}

func TestOsloForms(t *testing.T) {
	context := `, "_context_request_id": "req-1", "_context_global_request_id": "req-2", "_context_user_id": "u", "_context_project_id": "p", "_context_auth_token": "t"`
	cases := []struct {
		name    string
		r       Record
		inner   string
		want    spanbuilder.Message
		verdict Verdict
	}{{
		name:  "call",
		r:     Record{Exchange: "nova", RoutingKey: "compute.host1.example", Properties: Properties{Expiration: "60000"}},
		inner: `{"method": "m", "args": {"method": "no"}, "namespace": "n", "_msg_id": "i", "_reply_q": "q", "_timeout": 4, "_unique_id": "x"` + context + `}`,
		want: spanbuilder.Message{Form: spanbuilder.FormCall, ID: "i", ReplyTo: "q", Method: "m", Namespace: "n", Topic: "compute", Server: "host1.example",
			Timeout: time.Minute, RequestID: "req-1", GlobalRequestID: "req-2", UserID: "u", ProjectID: "p"},
	}, {
		name:  "call whose only timeout is the call monitor's",
		r:     Record{Exchange: "nova", RoutingKey: "compute"},
		inner: `{"method": "m", "_msg_id": "i", "_reply_q": "q", "_timeout": 4.5}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormCall, ID: "i", ReplyTo: "q", Method: "m", Topic: "compute", Timeout: 4500 * time.Millisecond},
	}, {
		name:  "cast with an older user id",
		r:     Record{Exchange: "nova", RoutingKey: "conductor"},
		inner: `{"_context_user": "u", "_unique_id": "x", "args": {}, "method": "m", "namespace": null}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormCast, ID: "x", Method: "m", Topic: "conductor", UserID: "u"},
	}, {
		name:  "fanout",
		r:     Record{Exchange: "scheduler_fanout"},
		inner: `{"method": "m", "_unique_id": "x"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormFanout, ID: "x", Method: "m", Topic: "scheduler"},
	}, {
		name:  "reply",
		r:     Record{RoutingKey: "reply_1"},
		inner: `{"result": {"_msg_id": "no"}, "failure": null, "ending": true, "_msg_id": "i", "_unique_id": "x"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormReply, ID: "i", ReplyTo: "reply_1"},
	}, {
		name:  "failing reply",
		r:     Record{RoutingKey: "reply_1"},
		inner: `{"result": null, "failure": "{\"class\": \"NoValidHost\", \"message\": \"\\\"class\\\": \\\\\", \"tb\": [\"\\\\u0022\"]}", "ending": true, "_msg_id": "i"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormReply, ID: "i", ReplyTo: "reply_1", Error: "NoValidHost"},
	}, {
		name:  "failure of an unknown shape is a failure still",
		r:     Record{RoutingKey: "reply_1"},
		inner: `{"failure": ["x"], "_msg_id": "i"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormReply, ID: "i", ReplyTo: "reply_1", Error: "failure"},
	}, {
		name:  "heartbeat is no reply",
		r:     Record{RoutingKey: "reply_1"},
		inner: `{"result": null, "failure": null, "ending": false, "_msg_id": "i"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormHeartbeat, ID: "i", ReplyTo: "reply_1"},
	}, {
		name:  "notification",
		r:     Record{Exchange: "nova", RoutingKey: "notifications.info"},
		inner: `{"message_id": "mi", "publisher_id": "compute.h", "event_type": "a.b", "payload": {}, "_unique_id": "x"}`,
		want:  spanbuilder.Message{Form: spanbuilder.FormNotification, ID: "x", Method: "a.b", Topic: "notifications"},
	}, {
		name:    "neither request nor reply",
		inner:   `{"args": {}}`,
		verdict: BadField,
	}, {
		name:    "method that is no string",
		inner:   `{"method": ["m"], "_unique_id": "x"}`,
		verdict: BadField,
	}, {
		name:    "overlong method",
		inner:   `{"method": "` + strings.Repeat("m", maxField+1) + `", "_unique_id": "x"}`,
		verdict: BadField,
	}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.r.Body = envelope(c.inner)
			got, v := decodeOslo(&c.r)
			if c.verdict != NotMine {
				require.Equal(t, c.verdict, v)
				return
			}
			require.Equal(t, Decoded, v)
			got.Size, got.Exchange, got.RoutingKey = 0, "", ""
			require.Equal(t, c.want, got)
		})
	}
}

func TestBareNotificationIsRecognised(t *testing.T) {
	body := `{"message_id": "mi", "publisher_id": "compute.host1", "event_type": "compute.instance.create.end", "priority": "INFO", "payload": {"id": 1}, "timestamp": "2026-11-20 16:37:52.434093", "_unique_id": "f6"}`
	m, v := decodeOslo(&Record{RoutingKey: "notifications.info", Body: []byte(body)})
	require.Equal(t, Decoded, v)
	require.Equal(t, spanbuilder.FormNotification, m.Form)
	require.Equal(t, "compute.instance.create.end", m.Method)
	require.Equal(t, "f6", m.ID)
}

func TestOtherBodiesAreLeftToOthers(t *testing.T) {
	for _, body := range []string{"", " ", "x", "[]", "{", "{}", `{"method": "m"}`, `{"a": {"_msg_id": "x", "method": "m", "_unique_id": "y"}}`, "\x00\x01", `"oslo.message"`} {
		_, v := decodeOslo(&Record{Body: []byte(body)})
		require.Equal(t, NotMine, v, "%q", body)
	}
}

func TestKeysInArgumentsAreNotMistaken(t *testing.T) {
	inner := `{"method": "real", "args": {"x": "\", \"method\": \"forged", "y": "\\", "method": "nested", "z": [{"_msg_id": "nested"}, "]}\"}"], "_reply_q": "nested"}, "_unique_id": "u"}`
	m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "conductor", Body: envelope(inner)})
	require.Equal(t, Decoded, v)
	require.Equal(t, "real", m.Method)
	require.Equal(t, spanbuilder.FormCast, m.Form)
	require.Equal(t, "u", m.ID)
}

func TestUnusualEscapesAreReadAllTheSame(t *testing.T) {
	for name, body := range map[string]string{
		"quotes as code points":     `{"oslo.version":"2.0","oslo.message":"{\u0022method\u0022:\u0022m\u0022,\u0022_unique_id\u0022:\u0022x\u0022}"}`,
		"backslash as code point":   `{"oslo.message":"{\"method\":\"m\",\"args\":{\"a\":\"\u005c\",\"},\"_unique_id\":\"x\"}","oslo.version":"2.0"}`,
		"escaped white space":       `{"oslo.message":"{\n\t\"method\":\r\n\"m\",\n\"_unique_id\":\"x\"\n}\n"}`,
		"names as code points":      `{"oslo.message":"{\"\\u006dethod\":\"m\",\"\u005funique_id\":\"\\u0078\"}"}`,
		"bracket as code point":     `{"oslo.message":"\u007b\"method\":\"m\",\"_unique_id\":\"x\"}"}`,
		"envelope's name escaped":   `{"oslo\u002emessage":"{\"method\":\"m\",\"_unique_id\":\"x\"}"}`,
		"the last of two wins":      `{"oslo.message":"{\"method\":\"n\",\"method\":\"m\",\"_unique_id\":null,\"_unique_id\":\"x\"}"}`,
		"members around it ignored": `{"method":"no","oslo.message":"{\"method\":\"m\",\"_unique_id\":\"x\"}","_msg_id":"no","_reply_q":"no"}`,
	} {
		t.Run(name, func(t *testing.T) {
			m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: []byte(body)})
			require.Equal(t, Decoded, v)
			require.Equal(t, "m", m.Method)
			require.Equal(t, "x", m.ID)
			require.Equal(t, spanbuilder.FormCast, m.Form)
		})
	}
}

func TestForeignTextStaysWhatItIs(t *testing.T) {
	for _, method := range []string{"größe", "日本", "\U0001F600", "a\"b", `a\b`, `a\\"`, "\u2028", "a/b", "\x01"} {
		in, err := json.Marshal(map[string]string{"method": method, "_unique_id": "x"})
		require.NoError(t, err)
		for _, body := range [][]byte{envelope(string(in)), ascii(envelope(string(in))), envelope(string(ascii(in)))} {
			m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: body})
			require.Equal(t, Decoded, v)
			require.Equal(t, method, m.Method)
		}
	}
}

func TestCutOffAndMalformedMessagesAreCounted(t *testing.T) {
	whole := string(envelope(`{"method": "m", "args": {"a": [1, {"b": "c"}]}, "_unique_id": "x"}`))
	start := strings.Index(whole, `{\"method`) // from here on it is known to be oslo's
	for end := start; end < len(whole); end++ {
		_, v := decodeOslo(&Record{Body: []byte(whole[:end])})
		require.Contains(t, []Verdict{BadJSON}, v, whole[:end])
	}
	deep := strings.Repeat("[", 1<<18)
	_, v := decodeOslo(&Record{Body: envelope(`{"args": ` + deep)})
	require.Equal(t, TooDeep, v)
	_, v = decodeOslo(&Record{Body: envelope(`{"args": "` + strings.Repeat("x", DefaultMaxBody) + `"}`)})
	require.Equal(t, TooLarge, v)
	_, v = decodeOslo(&Record{Body: []byte(strings.Repeat("x", DefaultMaxBody+1))})
	require.Equal(t, NotMine, v)
}

func TestTraceparentOfTheContextIsUsed(t *testing.T) {
	body := envelope(`{"method": "m", "_unique_id": "x", "_context_traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`)
	m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: body})
	require.Equal(t, Decoded, v)
	require.Equal(t, span.ID(0x00f067aa0ba902b7), m.Context.SpanID)
	require.Equal(t, spanbuilder.Accept, m.Context.Decision)
}

func TestTopicAndServerOfARoutingKey(t *testing.T) {
	for key, want := range map[string][2]string{
		"conductor": {"conductor", ""}, "compute.host1": {"compute", "host1"}, "compute.node1.example.org": {"compute", "node1.example.org"},
		"cinder-volume.node1@lvm.node1":                         {"cinder-volume", "node1@lvm"},
		"cinder-volume.node1.example.org@lvm.node1.example.org": {"cinder-volume", "node1.example.org@lvm"},
		"cinder-volume.node1@lvm":                               {"cinder-volume", "node1@lvm"},
		"cinder-volume.node1@lvm.node2":                         {"cinder-volume", "node1@lvm.node2"},
		"":                                                      {"", ""}, ".": {"", ""}, ".@.": {"", "@."}, "a.@": {"a", "@"},
	} {
		m, v := decodeOslo(&Record{Exchange: "x", RoutingKey: key, Body: envelope(`{"method": "m", "_unique_id": "x"}`)})
		require.Equal(t, Decoded, v)
		require.Equal(t, want, [2]string{m.Topic, m.Server}, key)
	}
	m, _ := decodeOslo(&Record{Exchange: "neutron-vo-Port-1.9_fanout", Body: envelope(`{"method": "push", "_unique_id": "x"}`)})
	require.Equal(t, "neutron-vo-Port-1.9", m.Topic)
	for key, topic := range map[string]string{"notifications.info": "notifications", "my.site.notifications.error": "my.site.notifications", "": "", "x": ""} {
		m, _ := decodeOslo(&Record{Exchange: "nova", RoutingKey: key, Body: envelope(`{"event_type": "e", "message_id": "x", "publisher_id": "p"}`)})
		require.Equal(t, topic, m.Topic, key)
	}
}

// osprofiler sends the key that signs requests for traces along with the trace's name.
func TestProfilersTraceIsReadAndItsKeyIsNot(t *testing.T) {
	const id, parent = "d5bfe8f6-6840-4a47-b89b-336b83cbf199", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	info := `{"method": "m", "_unique_id": "x", "_context_trace_info": {"hmac_key": "KEY-CANARY", "base_id": "` + id + `", "parent_id": "24acb13d-fab2-463a-a9c4-38672820d74a", "base_id2": {"base_id": "no"}}}`
	want := span.TraceID{High: 0xd5bfe8f668404a47, Low: 0xb89b336b83cbf199}
	for name, body := range map[string][]byte{"enveloped": envelope(info), "bare": []byte(info), "odd": []byte(strings.Replace(string(envelope(info)), `\"base_id\"`, `\"b\u0061se_id\"`, 1)),
		"very odd": []byte(strings.Replace(string(envelope(info)), `\"base_id\"`, `\u0022base_id\"`, 1))} {
		m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: body})
		require.Equal(t, Decoded, v, name)
		require.Equal(t, spanbuilder.Context{TraceID: want}, m.Context, name)
		require.NotContains(t, fmt.Sprintf("%+v", m), "CANARY", name)
	}
	both := strings.Replace(info, `"method"`, `"_context_traceparent": "`+parent+`", "method"`, 1)
	m, _ := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: envelope(both)})
	require.NotZero(t, m.Context.SpanID, "a context that names a span comes first")
	for _, other := range []string{`null`, `[]`, `"x"`, `{"base_id": 7}`, `{"base_id": "junk"}`, `{"base_id": "` + id + `", "base_id": null}`} {
		m, v := decodeOslo(&Record{Exchange: "nova", RoutingKey: "c", Body: envelope(`{"method": "m", "_unique_id": "x", "_context_trace_info": ` + other + `}`)})
		require.Equal(t, Decoded, v, other)
		require.Zero(t, m.Context, other)
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	set, err := NewSet(Limits{})
	require.NoError(t, err)
	records := captured(t)
	var m spanbuilder.Message
	n := testing.AllocsPerRun(10, func() {
		for i := range records {
			set.Decode(&records[i], &m)
		}
	})
	require.Zero(t, n)
}

func FuzzOslo(f *testing.F) {
	for i, r := range captured(f) {
		if len(r.Body) < 1500 || i%10 == 0 {
			f.Add(r.Body, r.Exchange, r.RoutingKey)
		}
	}
	f.Add([]byte(`{"oslo.message":"{\n\u0022method\":\"\u005c\"m\",\"_unique_id\":\"x\"}"}`), "nova", "c.h")
	f.Add([]byte(`{"oslo.message":"{\"failure\":\"{\\\"class\\\":\\\"\\\\\\\"\\\"}\",\"_msg_id\":\"x\"}"}`), "", "reply_1")
	f.Fuzz(func(t *testing.T, body []byte, exchange, key string) {
		r := Record{Body: body, Exchange: exchange, RoutingKey: key}
		want, ok := reference(&r)
		got, v := decodeOslo(&r)
		if !ok || overLimits(body) {
			return
		}
		require.Equal(t, Decoded, v)
		require.Equal(t, want, got)
	})
}
