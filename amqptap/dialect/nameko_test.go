package dialect

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

// namekoAnswer is the class of the exception in an answer of Nameko's by encoding/json.
func namekoAnswer(body []byte) (class string, answers, ok bool) {
	all, ok := members(body)
	if !ok {
		return "", false, false
	}
	_, result := all["result"]
	failure, failed := all["error"]
	switch e := failure.(type) {
	case nil:
	case map[string]any:
		if class, _ = e["exc_type"].(string); class == "" {
			class = "error"
		}
	case bool:
		class = map[bool]string{true: "error"}[e]
	case string:
		if e != "" {
			class = "error"
		}
	default:
		class = "error"
	}
	return class, result && failed, true
}

func TestRecordedMessagesOfNameko(t *testing.T) {
	require.Equal(t, map[string]int{
		"nameko call front.hello": 2, "nameko call front.buy": 2, "nameko call orders.place": 2, "nameko call stock.take": 2,
		"nameko notification orders.events.placed": 1, "nameko notification stock.placed": 2,
		"nameko reply":           8,
		"nameko call front.boom": 2, "nameko reply ValueError": 2,
		"nameko call front.deep_boom": 2, "nameko call orders.fail": 2, "nameko call stock.lose": 2, "nameko reply KeyError": 2, "nameko reply RemoteError": 4,
		"nameko call front.no_such_method": 2, "nameko reply MethodNotFound": 2,
		"nameko call nobody.hello": 1,
	}, tally(t, recorded(t, "nameko")))
}

// The tree is the only thing that tells whose child a call is, as Nameko's requests carry no id of their trace.
func TestNamekoWorkIsNamedAsWhatComesOutOfItNamesIt(t *testing.T) {
	set, works := newSet(t), map[spanbuilder.Ident]string{}
	parents := map[string]string{}
	for _, r := range recorded(t, "nameko") {
		var m spanbuilder.Message
		set.Decode(&r, &m)
		if m.Form == spanbuilder.FormReply {
			continue
		}
		if r.Point == spanbuilder.Delivered && m.Work != 0 {
			works[m.Work] = m.Topic + "." + m.Method
		}
		if r.Point == spanbuilder.Published {
			require.Empty(t, m.Root, "all these calls come from outside, whose id is not of one request")
			parents[m.Topic+"."+m.Method+" from "+m.Sender] = works[m.Parent]
		}
	}
	require.Equal(t, map[string]string{
		"front.buy from ": "", "orders.place from front": "front.buy", "stock.take from orders": "orders.place",
		"orders.events.placed from orders": "orders.place",
		"front.hello from stock":           "stock.placed", // the event handler's
		"front.boom from ":                 "", "front.deep_boom from ": "", "orders.fail from front": "front.deep_boom",
		"stock.lose from orders": "orders.fail", "front.no_such_method from ": "", "nobody.hello from ": "",
	}, parents)
}

func TestNamekoTreeOfARequestThatBeganInAService(t *testing.T) {
	const id = "0b9d4fd1-73a1-4bb7-b2a4-6c5bd0e1a0f1"
	for _, c := range []struct {
		name, root, sender string
		parent             bool
		stack              []any
	}{
		{"an HTTP entrypoint calls", id, "web", false, []any{"web.get." + id}},
		{"what that called calls", id, "orders", true, []any{"web.get." + id, "orders.place.6ca71fca-7599-4f6f-b0be-65216f30d4e4"}},
		{"an id without UUID", "", "timer", false, []any{"timer"}},
		{"no strings", "", "", false, []any{1, nil}},
		{"longer than services keep it", "", "s", true, []any{"a." + id, "b", "c", "d", "e", "f", "g", "h", "i", "j", "s.m." + id}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Record{Exchange: namekoExchange, RoutingKey: "stock.take", Properties: Properties{
				ReplyTo: id, CorrelationID: "1", Headers: headerAny{namekoStack: c.stack}}}
			var m spanbuilder.Message
			name, v := newSet(t).Decode(&r, &m)
			require.Equal(t, "nameko decoded", name+" "+v.String())
			require.Equal(t, c.root, m.Root)
			require.Equal(t, c.sender, m.Sender)
			require.Equal(t, c.parent, m.Parent != 0)
		})
	}
}

func TestNamekoOnAnotherExchange(t *testing.T) {
	const replyTo = "ed22c6b3-0596-49bd-8925-3f2ece95409e"
	set := newSet(t)
	var m spanbuilder.Message
	answer := Record{Exchange: "our-rpc", RoutingKey: replyTo, Properties: Properties{CorrelationID: "1"},
		Body: []byte(`{"result": null, "error": {"exc_type": "ValueError", "value": "canary"}}`)}
	name, _ := set.Decode(&answer, &m)
	require.Equal(t, "plain", name, "before its request was seen nothing tells it from any message")

	set.Decode(&Record{Exchange: "our-rpc", RoutingKey: "greeter.hello", Properties: Properties{ReplyTo: replyTo, CorrelationID: "1",
		Headers: headerAny{namekoStack: []any{"a.b"}}}}, &m)
	require.Equal(t, "nameko", m.Dialect)
	set.Decode(&answer, &m)
	require.Equal(t, "nameko", m.Dialect)
	require.Equal(t, "ValueError", m.Error)

	answer.Body = []byte(`{"result": 1}`)
	name, _ = set.Decode(&answer, &m)
	require.Equal(t, "plain", name, "who knows what else is sent there")
	require.Equal(t, spanbuilder.FormReply, m.Form, "but a reply it is")
}

func TestNamekoMessagesThatAreNoRPC(t *testing.T) {
	h := headerAny{namekoStack: []any{"web.get.0b9d4fd1-73a1-4bb7-b2a4-6c5bd0e1a0f1"}}
	var m spanbuilder.Message
	newSet(t).Decode(&Record{Exchange: "orders", RoutingKey: "paid", Properties: Properties{Headers: h}}, &m)
	require.Equal(t, "nameko", m.Dialect, "nameko's Publisher")
	require.Equal(t, spanbuilder.FormCast, m.Form)
	require.Equal(t, "paid", m.Method)
	newSet(t).Decode(&Record{Exchange: "orders", Properties: Properties{Headers: headerAny{"x": "y"}}}, &m)
	require.Equal(t, "plain", m.Dialect)
}

func TestNamekoHandlersAreReadOffTheirQueues(t *testing.T) {
	for queue, want := range map[string]string{
		"evt-orders-placed--stock.count":                                 "stock stock.count",
		"evt-orders-placed--stock.tell-6d64a5187dfb4705acff6e9dc8c6d516": "stock stock.tell",
		"evt-orders-placed--stock-keeper.count":                          "stock-keeper stock-keeper.count",
		"evt-orders-placed":                                              " ",
		"evt-orders-placed--":                                            " ",
		"evt-orders-cancelled--stock.count":                              " ",
		"orders":                                                         " ",
		"":                                                               " ",
		"evt-orders-placed--stock.count-a-host.example":                  "stock stock.count",
		"evt-orders-placed--.":                                           " .",
		"evt-orders-placed--" + strings.Repeat("x", 200) + ".m": strings.Repeat("x", 200) + " " + strings.Repeat("x", 200) + ".m",
	} {
		service, handler := namekoHandler(queue, "orders", "placed")
		require.Equal(t, want, service+" "+handler, queue)
	}
}

// A reply that cannot be read answers its call all the same if the body is none of JSON's business.
func TestNamekoRepliesThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		body, contentType string
		want              Verdict
	}{
		{"\x80\x04}q\x00.", "application/x-python-serialize", Decoded},
		{`{"result": "` + strings.Repeat("x", DefaultMaxBody) + `", "error": null}`, "application/json", Decoded},
		{`{"result": 1, "error"`, "application/json", BadJSON},
		{`{"result": ` + strings.Repeat("[", 1<<10), "application/json", TooDeep},
		{`[1]`, "application/json", BadJSON},
		{``, "", BadJSON},
	} {
		var m spanbuilder.Message
		name, v := newSet(t).Decode(&Record{Exchange: namekoExchange, RoutingKey: "ed22c6b3-0596-49bd-8925-3f2ece95409e", Body: []byte(c.body),
			Properties: Properties{CorrelationID: "1", ContentType: c.contentType}}, &m)
		require.Equal(t, "nameko", name)
		require.Equal(t, c.want, v, "%.40q", c.body)
	}
}

func FuzzNameko(f *testing.F) {
	for _, r := range recorded(f, "nameko") {
		f.Add(r.Body, r.Exchange, r.RoutingKey, r.Queue, r.Properties.ReplyTo, "front.buy.5f5a0190-166c-4316-b903-4236f72420ea")
	}
	f.Add([]byte(`{"error":{"exc_type":"\u0041","exc_type":7},"result":{"error":1}}`), namekoExchange, "", "", "", ".")
	f.Fuzz(func(t *testing.T, body []byte, exchange, key, queue, replyTo, call string) {
		set := newSet(t)
		r := Record{Point: spanbuilder.Delivered, Body: body, Exchange: exchange, RoutingKey: key, Queue: queue,
			Properties: Properties{ReplyTo: replyTo, CorrelationID: "1", Headers: headerAny{namekoStack: []any{call, call}}}}
		var m spanbuilder.Message
		for _, id := range []string{"1", ""} {
			r.Properties.CorrelationID = id
			if _, v := set.Decode(&r, &m); v == Decoded {
				require.NotZero(t, m.Form)
			}
		}
		var n nameko
		class, answers, fault := n.failure(body)
		want, wantAnswers, ok := namekoAnswer(body)
		if !ok || overLimits(body) || !utf8.Valid(body) {
			return
		}
		require.Equal(t, faultNone, fault)
		require.Equal(t, fmt.Sprint(want, wantAnswers), fmt.Sprint(class, answers))
	})
}
