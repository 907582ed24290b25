package dialect

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// order is MassTransit's own example of an envelope (its documentation, "Message Envelope"), with what a bus fills in.
const order = `{
  "messageId": "181c0000-6393-3630-36a4-08daf4e7c6da",
  "requestId": "ef375b18-69ee-4a9e-b5ec-44ee1177a27e",
  "correlationId": null,
  "conversationId": "181c0000-6393-3630-36a4-08daf4e7c6db",
  "initiatorId": "181c0000-6393-3630-36a4-08daf4e7c6dc",
  "sourceAddress": "rabbitmq://localhost/source",
  "destinationAddress": "rabbitmq://localhost/destination",
  "responseAddress": "rabbitmq://localhost/shop/response?temporary=true",
  "faultAddress": "rabbitmq://localhost/fault",
  "messageType": ["urn:message:Company.Project:SubmitOrder", "urn:message:Company.Project:IOrder"],
  "message": {"orderId": "181c0000", "exceptions": [{"exceptionType": "an application's own"}], "messageId": "no", "host": {"processName": "no"}},
  "expirationTime": null,
  "sentTime": "2023-01-12T21:55:53.715882Z",
  "headers": {"Application-Header": "SomeValue", "MT-Activity-Id": "00-1e03f9b1b84f3d40b7087f2633fadd4a-38ac2fc84b035447-01"},
  "host": {"machineName": "MyComputer", "processName": "dotnet", "processId": 427, "assembly": "TestProject"}
}`

// massTransitRecord is a message as the transport sends it.
func massTransitRecord(exchange, body string) Record {
	return Record{Exchange: exchange, Body: []byte(body), Properties: Properties{ContentType: massTransitJSON}}
}

func decodeAs(t testing.TB, want string, r Record) spanbuilder.Message {
	t.Helper()
	var m spanbuilder.Message
	name, v := newSet(t).Decode(&r, &m)
	require.Equal(t, want, name)
	require.Equal(t, Decoded, v)
	return m
}

func TestMassTransitRequest(t *testing.T) {
	m := decodeAs(t, "masstransit", massTransitRecord("submit-order", order))
	require.Equal(t, spanbuilder.FormCall, m.Form)
	require.Equal(t, "ef375b18-69ee-4a9e-b5ec-44ee1177a27e", m.ID)
	require.Equal(t, "response", m.ReplyTo)
	require.Equal(t, "SubmitOrder", m.Method)
	require.Equal(t, "Company.Project", m.Namespace)
	require.Equal(t, "submit-order", m.Topic)
	require.Equal(t, "TestProject", m.Sender, "dotnet runs any program")
	require.Equal(t, "181c0000-6393-3630-36a4-08daf4e7c6db", m.Root)
	require.Equal(t, spanbuilder.IdentOf(massTransitWork, m.ID), m.Work)
	require.Equal(t, spanbuilder.IdentOf(massTransitWork, "181c0000-6393-3630-36a4-08daf4e7c6dc"), m.Parent)
	require.Equal(t, span.ID(0x38ac2fc84b035447), m.Context.SpanID)
	require.Equal(t, spanbuilder.Accept, m.Context.Decision)
	require.Empty(t, m.Error)
}

// A consumer's messages name their cause by its correlationId if it has one, else by its requestId.
func TestMassTransitWorkIsNamedAsWhatComesOutOfItNamesIt(t *testing.T) {
	const correlation = "181c0000-6393-3630-36a4-08daf4e7c6ff"
	cause := decodeAs(t, "masstransit", massTransitRecord("q", strings.Replace(order, `"correlationId": null`, `"correlationId": "`+correlation+`"`, 1)))
	effect := decodeAs(t, "masstransit", massTransitRecord("q", `{"messageType": ["urn:message:A:B"], "initiatorId": "`+correlation+`"}`))
	require.Equal(t, cause.Work, effect.Parent)
	require.Zero(t, effect.Work, "what has neither cannot be named by what comes out of it")
}

func TestMassTransitFormsAreToldApart(t *testing.T) {
	const typed = `"messageType": ["urn:message:Shop:Done"]`
	const fault = `"messageType": ["urn:message:MassTransit:Fault[[Shop:Do]]", "urn:message:MassTransit:Fault"]`
	for name, c := range map[string]struct {
		exchange, body string
		form           spanbuilder.Form
		replyTo, topic string
		method, err    string
	}{
		"response":               {"bus-1", `{"requestId": "r", ` + typed + `}`, spanbuilder.FormReply, "bus-1", "", "", ""},
		"fault":                  {"bus-1", `{"requestId": "r", ` + fault + `, "message": {"exceptions": [{"exceptionType": "Shop.Sad"}, {"exceptionType": "no"}]}}`, spanbuilder.FormReply, "bus-1", "", "", "Sad"},
		"fault, message first":   {"bus-1", `{"message": {"exceptions": [{"exceptionType": "Sad"}]}, "requestId": "r", ` + fault + `}`, spanbuilder.FormReply, "bus-1", "", "", "Sad"},
		"fault without a class":  {"bus-1", `{"requestId": "r", ` + fault + `, "message": {"exceptions": []}}`, spanbuilder.FormReply, "bus-1", "", "", "Fault"},
		"unreadable request":     {"bus-1", `{"requestId": "r", "messageType": ["urn:message:MassTransit:ReceiveFault"], "message": {"exceptions": "x"}}`, spanbuilder.FormReply, "bus-1", "", "", "Fault"},
		"fault of no request":    {"MassTransit:Fault--Shop:Do--", `{"messageId": "m", ` + fault + `}`, spanbuilder.FormNotification, "", "MassTransit", "Fault[[Shop:Do]]", ""},
		"event":                  {"Shop:Done", `{"messageId": "m", ` + typed + `}`, spanbuilder.FormNotification, "", "Shop", "Done", ""},
		"command":                {"do-it", `{"messageId": "m", ` + typed + `}`, spanbuilder.FormCast, "", "do-it", "Done", ""},
		"request, short address": {"do-it", `{"requestId": "r", "responseAddress": "exchange:bus-1", ` + typed + `}`, spanbuilder.FormCall, "bus-1", "do-it", "Done", ""},
		"nested type":            {"do-it", `{"messageType": ["urn:message:Shop:Outer+Inner"]}`, spanbuilder.FormCast, "", "do-it", "Outer+Inner", ""},
		"type of another scheme": {"do-it", `{"messageType": ["scheme:publish-command"]}`, spanbuilder.FormCast, "", "do-it", "publish-command", ""},
	} {
		m := decodeAs(t, "masstransit", massTransitRecord(c.exchange, c.body))
		require.Equal(t, c.form, m.Form, name)
		require.Equal(t, c.replyTo, m.ReplyTo, name)
		require.Equal(t, c.topic, m.Topic, name)
		require.Equal(t, c.method, m.Method, name)
		require.Equal(t, c.err, m.Error, name)
	}
}

// A delivery tells which endpoint an event has reached; a fanout exchange named after a type does not.
func TestMassTransitEventIsNamedAfterItsReceiver(t *testing.T) {
	r := massTransitRecord("Shop:Done", `{"messageType": ["urn:message:Shop:Done"]}`)
	r.Point, r.Queue = spanbuilder.Delivered, "mailer"
	require.Equal(t, "mailer", decodeAs(t, "masstransit", r).Topic)
}

// What an endpoint puts aside is the request as it came: taken for one, it would be that call's second beginning.
func TestMassTransitErrorQueueIsNoSecondRequest(t *testing.T) {
	r := massTransitRecord("submit-order_error", order)
	r.Properties.Headers = headerMap{"MT-Reason": "dead-letter"}
	m := decodeAs(t, "masstransit", r)
	require.Equal(t, spanbuilder.FormCast, m.Form)
	require.Empty(t, m.ID)
	require.Equal(t, "dead-letter", m.DeadReason)
	require.Equal(t, "submit-order", m.DeadQueue)
}

func TestMassTransitOverDirectReplyTo(t *testing.T) {
	const address = directReplyTo + "g1h2/AA=.BB/=="
	r := massTransitRecord("submit-order", strings.Replace(order, "/shop/response?temporary=true", "/amq.rabbitmq.reply-to", 1))
	r.Properties.ReplyTo = address
	require.Equal(t, address, decodeAs(t, "masstransit", r).ReplyTo)
	reply := massTransitRecord("", `{"requestId": "r", "messageType": ["urn:message:Shop:Done"]}`)
	reply.RoutingKey = address
	require.Equal(t, address, decodeAs(t, "masstransit", reply).ReplyTo)
}

func TestMassTransitBodiesThatCannotBeUsedAreCounted(t *testing.T) {
	deep := `{"message": ` + strings.Repeat("[", maxDepth+1)
	for body, want := range map[string]Verdict{
		"":                                   BadJSON,
		"<xml/>":                             BadJSON,
		`{"messageType": ["urn:message:A`:    BadJSON,
		`{}`:                                 BadField,
		`{"messageType": []}`:                BadField,
		`{"messageType": "urn:message:A:B"}`: BadField,
		`{"requestId": 7, "messageType": ["urn:message:A:B"]}`:                                         BadField,
		`{"requestId": "` + strings.Repeat("x", maxField+1) + `", "messageType": ["urn:message:A:B"]}`: BadField,
		deep: TooDeep,
		`{"message": "` + strings.Repeat("x", DefaultMaxBody) + `"}`: TooLarge,
	} {
		var m spanbuilder.Message
		r := massTransitRecord("q", body)
		name, v := newSet(t).Decode(&r, &m)
		require.Equal(t, "masstransit", name)
		require.Equal(t, want, v, body[:min(len(body), 60)])
	}
	for end := range order {
		var m spanbuilder.Message
		r := massTransitRecord("q", order[:end])
		_, v := newSet(t).Decode(&r, &m)
		require.Equal(t, BadJSON, v, order[:end])
	}
}

// referenceMassTransit is what encoding/json makes of a body. It answers false for what cannot be used.
func referenceMassTransit(body []byte) (e massTransitEnvelope, ok bool) {
	all, ok := members(body)
	if !ok {
		return e, false
	}
	text := func(in map[string]any, name string) string { s, _ := in[name].(string); return s }
	object := func(in map[string]any, name string) map[string]any { o, _ := in[name].(map[string]any); return o }
	first := func(v any) any {
		if a, _ := v.([]any); len(a) > 0 {
			return a[0]
		}
		return nil
	}
	for name, to := range map[string]*string{"messageId": &e.messageID, "requestId": &e.requestID, "correlationId": &e.correlationID,
		"conversationId": &e.conversationID, "initiatorId": &e.initiatorID, "responseAddress": &e.responseAddress} {
		if v, there := all[name]; there && v != nil {
			if *to, ok = v.(string); !ok {
				return e, false
			}
		}
	}
	e.urn, _ = first(all["messageType"]).(string)
	e.activity = text(object(all, "headers"), "MT-Activity-Id")
	e.processName, e.assembly = text(object(all, "host"), "processName"), text(object(all, "host"), "assembly")
	exception, _ := first(object(all, "message")["exceptions"]).(map[string]any)
	e.exception = text(exception, "exceptionType")
	return e, e.urn != ""
}

func FuzzMassTransit(f *testing.F) {
	f.Add([]byte(order))
	f.Add([]byte(`{"requestId":"\u0072","messageType":["urn:message:MassTransit:Fault[[A:B]]"],"message":{"exceptions":[{"exceptionType":"\ud83d\ude00"}]}}`))
	f.Add([]byte(`{"host":{"processName":null},"headers":[],"messageType":[{"a":1},"b"],"message":{"exceptions":{}}}`))
	for _, r := range recorded(f, "masstransit") {
		f.Add(r.Body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &massTransit{shared: shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &addresses{}}}
		var m spanbuilder.Message
		r := massTransitRecord("q", string(body))
		v := d.Decode(&r, &m)
		want, ok := referenceMassTransit(body)
		if !ok || tooLongOrDeep(body) || hasRepeats(body) {
			return
		}
		require.Equal(t, Decoded, v)
		require.Equal(t, want, d.envelope)
	})
}

// tooLongOrDeep reports whether a text is refused for a limit that encoding/json does not have. It errs on the side of yes.
func tooLongOrDeep(body []byte) bool {
	return !utf8.Valid(body) || longestText(body) > maxField || len(body) > maxField && strings.Contains(string(body), `\`) || strings.Count(string(body), "[")+strings.Count(string(body), "{") > maxDepth
}

// longestText is the length of the longest part between quotes.
func longestText(body []byte) (longest int) {
	for _, s := range strings.Split(string(body), `"`) {
		longest = max(longest, len(s))
	}
	return longest
}

// hasRepeats reports whether an object has a member twice: encoding/json merges what it reads into maps, the dialects take the last.
func hasRepeats(body []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(body)))
	type level struct {
		names map[string]bool
		key   bool
	}
	var open []level
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{map[string]bool{}, true})
			continue
		case json.Delim('['):
			open = append(open, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			if open = open[:len(open)-1]; len(open) > 0 {
				open[len(open)-1].key = true
			}
			continue
		}
		if len(open) == 0 {
			continue
		}
		top := &open[len(open)-1]
		if name, isText := token.(string); top.names != nil && top.key && isText {
			if top.names[name] {
				return true
			}
			top.names[name], top.key = true, false
			continue
		}
		top.key = true
	}
}
