package dialect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/spanbuilder"
)

const directAddress = directReplyTo + "g1h2AA5y/ZXBs.FwGW/PDmkoYX=="

func springJSON(key, replyTo, id, class, body string) Record {
	return Record{RoutingKey: key, Body: []byte(body), Properties: Properties{ContentType: "application/json", ReplyTo: replyTo,
		CorrelationID: id, Headers: headerMap{springClass: class}}}
}

func TestSpringCallHoweverTheReplyComesBack(t *testing.T) {
	for name, c := range map[string]struct{ replyTo, key, id string }{
		"direct reply-to, its address has slashes": {directAddress, directAddress, "1"},
		"temporary queue, no correlation id":       {"amq.gen-JzTY20BRgKO-HjmUJj0wLg", "amq.gen-JzTY20BRgKO-HjmUJj0wLg", ""},
		"fixed queue":                              {"client.answers", "client.answers", "1"},
		"exchange and key":                         {"answers/client.7", "client.7", "1"},
		"default exchange, written out":            {"/client.7", "client.7", "1"},
	} {
		set := newSet(t)
		var m spanbuilder.Message
		r := springJSON("shop.json", c.replyTo, c.id, "com.acme.shop.Messages$Order", `{"item":"canary"}`)
		dialect, v := set.Decode(&r, &m)
		require.Equal(t, "spring", dialect, name)
		require.Equal(t, Decoded, v)
		require.Equal(t, spanbuilder.FormCall, m.Form, name)
		require.Equal(t, c.key, m.ReplyTo, name)
		require.Equal(t, "Order", m.Method)
		require.Equal(t, "shop.json", m.Topic)

		r = springJSON(c.key, "", c.id, "com.acme.shop.Receipt", `{"price":21}`)
		if strings.HasPrefix(c.replyTo, "answers/") {
			r.Exchange = "answers"
		}
		dialect, _ = set.Decode(&r, &m)
		require.Equal(t, "spring", dialect, name)
		require.Equal(t, spanbuilder.FormReply, m.Form, name)
		require.Equal(t, c.key, m.ReplyTo, name)
		require.Equal(t, c.id, m.ID, name)
		require.Empty(t, m.Error)

		text := Record{RoutingKey: c.key, Exchange: r.Exchange, Properties: Properties{ContentType: "text/plain", CorrelationID: c.id}, Body: []byte("a text in place of a Receipt")}
		set.Decode(&text, &m)
		require.Equal(t, spanbuilder.FormReply, m.Form, "%s: whichever dialect reads it", name)
	}
}

func TestSpringMethodIsTheClassUnlessItIsJavas(t *testing.T) {
	for class, want := range map[string]string{
		"com.acme.Order": "Order", "Order": "Order", "com.acme.Shop$Order": "Order",
		"java.util.HashMap": "q", "java.lang.String": "q", "[Lcom.acme.Order;": "q", "com.acme.": "q",
	} {
		require.Equal(t, want, decodeAs(t, "spring", springJSON("q", "", "", class, "{}")).Method, class)
	}
}

// Both are a RemoteInvocationResult; JSON's is marked as the class that the listener would have returned.
func TestSpringExceptions(t *testing.T) {
	for body, want := range map[string]string{
		`{"value":null,"exception":{"cause":null,"stackTrace":[],"message":"canary","suppressed":[],"localizedMessage":"canary"}}`: "failure",
		`{"exception":{"stackTrace":[],"message":null},"value":null}`:                                                              "failure",
		`{"value":null,"exception":null}`:                                     "",
		`{"value":3,"exception":{"stackTrace":[],"message":"m"}}`:             "",
		`{"value":null,"exception":{"message":"m"}}`:                          "",
		`{"value":null,"exception":{"stackTrace":[],"message":"m"},"more":1}`: "",
		`{"value":null,"exception":{"stackTrace":[],"message":"m"}`:           "",
		`{"exception":"rainy day"}`:                                           "",
	} {
		require.Equal(t, want, decodeAs(t, "spring", springJSON(directAddress, "", "1", "com.acme.Receipt", body)).Error, body)
	}
}

// serialized is a RemoteInvocationResult as java.io.ObjectOutputStream writes it, as far as to the exception.
func serialized(class, exception string) string {
	return javaMagic + "sr\x00" + string(rune(len(class))) + class + "\x1d\xad\xac\x92\x99IJm\x02\x00\x02" +
		"L\x00\x09exceptiont\x00\x15Ljava/lang/Throwable;" + "L\x00\x05valuet\x00\x12Ljava/lang/Object;" + "xp" + exception
}

func TestSerializedJavaTellsTheClassOfAnException(t *testing.T) {
	const result = "org.springframework.amqp.support.converter.RemoteInvocationResult"
	const thrown = "sr\x00\x18com.acme.ShopIsShutError\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00xr\x00\x1ajava.lang.RuntimeException"
	for name, c := range map[string]struct{ body, class, failure string }{
		"an object":              {javaMagic + "sr\x00\x09Rpc$Order\x00\x00", "Rpc$Order", ""},
		"an exception":           {serialized(result, thrown), result, "ShopIsShutError"},
		"of Spring 5":            {serialized("org.springframework.remoting.support.RemoteInvocationResult", thrown), "org.springframework.remoting.support.RemoteInvocationResult", "ShopIsShutError"},
		"no exception":           {serialized(result, "psr\x00\x03Foo"), result, ""},
		"a string":               {javaMagic + "t\x00\x05hello", "", ""},
		"an enum":                {javaMagic + "~r\x00\x05Color", "", ""},
		"nothing":                {"", "", ""},
		"text":                   {"hello", "", ""},
		"a name of 64 KiB":       {javaMagic + "sr\xff\xff" + strings.Repeat("x", 1<<16), "", ""},
		"65535 fields":           {javaMagic + "sr\x00\x41" + result + strings.Repeat("\x00", 9) + "\xff\xff", result, ""},
		"a field of no type":     {javaMagic + "sr\x00\x41" + result + strings.Repeat("\x00", 9) + "\x00\x01L\x00\x01ax", result, ""},
		"a reference for a type": {javaMagic + "sr\x00\x41" + result + strings.Repeat("\x00", 9) + "\x00\x01L\x00\x01aq\x00\x7e\x00\x01xp" + thrown, result, "ShopIsShutError"},
		"a superclass":           {javaMagic + "sr\x00\x41" + result + strings.Repeat("\x00", 9) + "\x00\x00xr" + thrown, result, ""},
	} {
		class, failure := serializedClass([]byte(c.body))
		require.Equal(t, c.class, class, name)
		require.Equal(t, c.failure, failure, name)
	}
	whole := serialized(result, thrown)
	for end := range whole {
		serializedClass([]byte(whole[:end])) // must not panic
	}
}

// What says nothing of Spring may be anybody's.
func TestSpringTakesNothingWithoutItsMark(t *testing.T) {
	for _, r := range []Record{
		{RoutingKey: "q", Properties: Properties{ContentType: "application/json", ReplyTo: "r", CorrelationID: "1"}, Body: []byte("{}")},
		{RoutingKey: "q", Properties: Properties{ContentType: "text/plain", Headers: headerMap{"x": "y"}}},
	} {
		var m spanbuilder.Message
		require.Equal(t, NotMine, (&spring{shared: shared{addresses: &addresses{}}}).Decode(&r, &m))
		require.Zero(t, m)
	}
}

func FuzzSerializedJava(f *testing.F) {
	for _, r := range recorded(f, "spring") {
		if strings.HasPrefix(string(r.Body), javaMagic) {
			f.Add(r.Body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		class, failure := serializedClass(body)
		require.LessOrEqual(t, len(class), 3*maxField) // each bad byte is replaced by three
		require.NotContains(t, failure, ".")
		if failure != "" {
			require.Contains(t, class, remoteInvocationResult)
		}
	})
}

func FuzzSpring(f *testing.F) {
	for _, r := range recorded(f, "spring") {
		f.Add(r.Body, "com.acme.Order", r.RoutingKey, r.Properties.ReplyTo)
	}
	f.Add([]byte(`{"value":null,"exception":{"stackTrace":[],"message":"m"}}`), "A", directAddress, "")
	f.Fuzz(func(t *testing.T, body []byte, class, key, replyTo string) {
		var m spanbuilder.Message
		r := springJSON(key, replyTo, "1", class, string(body))
		if (&spring{shared: shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &addresses{}}}).Decode(&r, &m) == Decoded {
			require.NotZero(t, m.Form)
			require.True(t, m.Form == spanbuilder.FormReply || m.Error == "")
		}
	})
}
