package dialect

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

const moleculerRequest = `{"id":"eef13955-709c-4201-8acb-57b156fc928b","action":"v2.math.add","params":{"a":6,"id":"no","action":"no"},` +
	`"meta":{"password":"canary"},"timeout":1500,"level":2,"tracing":null,"parentID":"daee2183-0a08-4c30-85a7-7b70eec67e37",` +
	`"requestID":"aaee2183-0a08-4c30-85a7-7b70eec67e37","caller":"greeter","stream":false,"ver":"4","sender":"vm-31337"}`

// toQueue is a message on its way to a queue by the default exchange.
func toQueue(queue, body string) Record { return Record{RoutingKey: queue, Body: []byte(body)} }

func TestMoleculerRequestAndResponseShareTheirKey(t *testing.T) {
	for queue, server := range map[string]string{
		"MOL.REQ.math-1": "math-1", "MOL-shop.REQ.math-1": "math-1", "MOL-shop.eu.REQ.math-1": "math-1", "MOL-shop.REQB.v2.math.add": "",
	} {
		m := decodeAs(t, "moleculer", toQueue(queue, moleculerRequest))
		require.Equal(t, spanbuilder.FormCall, m.Form)
		require.Equal(t, "v2.math", m.Topic)
		require.Equal(t, "add", m.Method)
		require.Equal(t, server, m.Server)
		require.Equal(t, "greeter", m.Sender)
		require.Equal(t, 1500*time.Millisecond, m.Timeout)
		require.Equal(t, "aaee2183-0a08-4c30-85a7-7b70eec67e37", m.Root)
		require.Equal(t, spanbuilder.IdentOf(moleculerWork, m.ID), m.Work)
		require.Equal(t, spanbuilder.IdentOf(moleculerWork, "daee2183-0a08-4c30-85a7-7b70eec67e37"), m.Parent)

		prefix, _, _ := moleculerAddress(queue)
		reply := decodeAs(t, "moleculer", toQueue(prefix+".RES.vm-31337",
			`{"id":"eef13955-709c-4201-8acb-57b156fc928b","meta":{},"success":true,"data":9,"ver":"4","sender":"math-1"}`))
		require.Equal(t, spanbuilder.FormReply, reply.Form)
		require.Equal(t, m.ReplyTo, reply.ReplyTo)
		require.Equal(t, m.ID, reply.ID)
		require.Empty(t, reply.Error)
	}
}

func TestMoleculerErrorIsItsClass(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"x","success":false,"error":{"message":"canary","name":"NoSuchNameError","stack":"canary","data":{"name":"canary"}},"sender":"s"}`: "NoSuchNameError",
		`{"id":"x","success":false,"sender":"s"}`:                     "failure",
		`{"id":"x","success":false,"error":"canary","sender":"s"}`:    "failure",
		`{"id":"x","success":true,"error":{"name":"X"},"sender":"s"}`: "",
		`{"id":"x","success":true,"data":{"error":1},"sender":"s"}`:   "",
	} {
		require.Equal(t, want, decodeAs(t, "moleculer", toQueue("MOL.RES.n", body)).Error, body)
	}
}

// An event that the broker balances is one message a group, all with the same id.
func TestMoleculerEventOfTwoGroupsIsTwoMessages(t *testing.T) {
	body := `{"id":"x","event":"user.created","groups":["mail"],"sender":"s"}`
	mail := decodeAs(t, "moleculer", toQueue("MOL.EVENTB.mail.user.created", body))
	pay := decodeAs(t, "moleculer", toQueue("MOL.EVENTB.payment.user.created", strings.Replace(body, "mail", "payment", 1)))
	require.Equal(t, "mail", mail.Topic)
	require.Equal(t, "payment", pay.Topic)
	require.NotEqual(t, mail.ID, pay.ID)
	require.Equal(t, mail.Work, pay.Work)
	require.Equal(t, "user.created", mail.Method)
}

func TestMoleculerEventIsNamedAfterItsReceiver(t *testing.T) {
	body := `{"id":"x","event":"user.created","sender":"api-7"}`
	m := decodeAs(t, "moleculer", toQueue("MOL.EVENT.vm-4711", body))
	require.Equal(t, "vm", m.Topic, "a process id is no name")
	require.Equal(t, "vm-4711", m.Server)
	require.Equal(t, "api", m.Sender)
	toAll := Record{Exchange: "MOL.EVENT", Body: []byte(body)}
	require.Equal(t, "user", decodeAs(t, "moleculer", toAll).Topic)
	toAll.Queue = "MOL.EVENT.audit-1"
	require.Equal(t, "audit", decodeAs(t, "moleculer", toAll).Topic)
}

// A response in parts is over with its last; a request in parts is one call.
func TestMoleculerStreamsAreOneCall(t *testing.T) {
	part := func(kind, more string) (spanbuilder.Message, Verdict) {
		var m spanbuilder.Message
		r := toQueue("MOL."+kind+".n", `{"id":"x","action":"a.b","success":true,"sender":"s",`+more+`}`)
		_, v := newSet(t).Decode(&r, &m)
		return m, v
	}
	for more, want := range map[string]spanbuilder.Form{
		`"stream":true,"seq":0`: spanbuilder.FormHeartbeat, `"stream":true,"seq":1`: spanbuilder.FormHeartbeat, `"stream":false,"seq":2`: spanbuilder.FormReply,
	} {
		m, v := part("RES", more)
		require.Equal(t, Decoded, v)
		require.Equal(t, want, m.Form, more)
	}
	m, v := part("REQ", `"stream":true,"seq":0`)
	require.Equal(t, Decoded, v)
	require.Equal(t, spanbuilder.FormCall, m.Form)
	_, v = part("REQ", `"stream":true,"seq":1`)
	require.Equal(t, Ignored, v)
}

func TestMoleculerTraceHeadersInMeta(t *testing.T) {
	want := spanbuilder.Context{TraceID: span.TraceID{High: 0x4bf92f3577b34da6, Low: 0xa3ce929d0e0e4736}, SpanID: 0x00f067aa0ba902b7, Decision: spanbuilder.Accept}
	for _, header := range []string{
		`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"`,
		`"b3":"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"`,
		`"uber-trace-id":"4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:1"`,
		`"traceparent":"nonsense","b3":"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"`,
	} {
		m := decodeAs(t, "moleculer", toQueue("MOL.REQ.n", strings.Replace(moleculerRequest, `"password":"canary"`, header, 1)))
		require.Equal(t, want, m.Context, header)
	}
	require.Zero(t, decodeAs(t, "moleculer", toQueue("MOL.REQ.n", moleculerRequest)).Context)
}

func TestMoleculerPacketsThatAreNotForTracing(t *testing.T) {
	for _, r := range []Record{
		toQueue("MOL.INFO.n", `{"ver":"4"}`), {Exchange: "MOL-shop.HEARTBEAT", Body: []byte(`{"ver":"4"}`)}, toQueue("MOL.PING.n", `{}`),
	} {
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&r, &m)
		require.Equal(t, "moleculer", name)
		require.Equal(t, Ignored, v)
	}
	for _, r := range []Record{
		toQueue("MOL", `{}`), toQueue("MOLE.REQ.n", `{}`), toQueue("MOL.orders", `{}`), toQueue("MOL.REQ", ""), toQueue("MOL.REQUEST.n", `{}`),
		toQueue("MOL.REQ.n", "\x89\xa2id"), // MessagePack
	} {
		var m spanbuilder.Message
		name, _ := newSet(t).Decode(&r, &m)
		require.Equal(t, "plain", name, "%s %s", r.RoutingKey, r.Body)
	}
}

func TestMoleculerBodiesThatCannotBeUsedAreCounted(t *testing.T) {
	for body, want := range map[string]Verdict{
		`{`:                                    BadJSON,
		`{}`:                                   BadField,
		`{"id":"x"}`:                           BadField,
		`{"id":"x","sender":"s"}`:              BadField,
		`{"id":1,"action":"a.b","sender":"s"}`: BadField,
		`{"id":"` + strings.Repeat("x", maxField+1) + `","action":"a","sender":"s"}`: BadField,
		`{"params":` + strings.Repeat(`{"a":`, maxDepth+1):                           TooDeep,
		`{"params":"` + strings.Repeat("x", DefaultMaxBody) + `"}`:                   TooLarge,
	} {
		var m spanbuilder.Message
		r := toQueue("MOL.REQ.n", body)
		_, v := newSet(t).Decode(&r, &m)
		require.Equal(t, want, v, body[:min(len(body), 60)])
	}
	for end := 1; end < len(moleculerRequest); end++ {
		var m spanbuilder.Message
		r := toQueue("MOL.REQ.n", moleculerRequest[:end])
		_, v := newSet(t).Decode(&r, &m)
		require.Equal(t, BadJSON, v, moleculerRequest[:end])
	}
}

func FuzzMoleculer(f *testing.F) {
	f.Add([]byte(moleculerRequest), "MOL.REQ.n")
	f.Add([]byte(`{"id":"\u0041","success":false,"error":{"name":"\"x\\"},"timeout":1e3,"sender":"s-1"}`), "MOL-a.b.RES.n")
	f.Add([]byte(`{"id":"x","event":"a.b","groups":[{"a":"no"},"b"],"meta":[],"seq":1.5,"sender":"s"}`), "MOL.EVENTB.g.a.b")
	for i, r := range recorded(f, "moleculer") {
		if i%7 == 0 {
			f.Add(r.Body, r.RoutingKey)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, queue string) {
		d := &moleculer{shared: shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &addresses{}}}
		var m spanbuilder.Message
		r := toQueue(queue, string(body))
		v := d.Decode(&r, &m)
		if v != Decoded {
			return
		}
		require.NotEmpty(t, m.ID)
		require.NotZero(t, m.Form)
		var ref struct{ ID, Action, Event, Sender string }
		if tooLongOrDeep(body) || hasRepeats(body) || !json.Valid(body) {
			return
		}
		all, _ := members(body)
		ref.ID, _ = all["id"].(string)
		ref.Sender, _ = all["sender"].(string)
		ref.Action, _ = all["action"].(string)
		ref.Event, _ = all["event"].(string)
		p := d.packet
		require.Equal(t, []string{ref.ID, ref.Sender, ref.Action, ref.Event}, []string{p.id, p.sender, p.action, p.event})
		require.Equal(t, all["success"] == false, p.failed)
		if m.Form == spanbuilder.FormCall {
			require.Contains(t, m.ReplyTo, ".RES."+ref.Sender)
		}
	})
}
