package spanbuilder

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestAClockAndItsLagAreTold(t *testing.T) {
	for lag, word := range map[int64]string{
		0: "", 1: "<1ms", 999: "<1ms", 1000: "<10ms", 99_999: "<100ms", 999_999: "<1s", 4_999_999: "<5s", 5_000_000: ">=5s", 1 << 50: ">=5s", -1: "",
	} {
		in := call4(callID)
		for i := range in {
			in[i].Clock, in[i].Lag = ClockTap, lag
		}
		in[0].Clock, in[0].Lag = ClockBroker, 500
		got, _ := observed(t, in...)
		client, server := got.one(t, span.KindClient, ""), got.one(t, span.KindServer, "")
		require.Equal(t, "broker", tag(client, "calltap.clock"))
		require.Equal(t, "<1ms", tag(client, "calltap.lag"))
		require.Equal(t, "tap", tag(server, "calltap.clock"))
		require.Equal(t, word, tag(server, "calltap.lag"), "%d", lag)
	}
	for _, clock := range []Clock{ClockUnknown, 200} {
		m := call4(callID)[0]
		m.Form, m.Clock, m.Lag = FormCast, clock, 700
		got, _ := observed(t, m)
		require.Empty(t, tag(got[0], "calltap.clock")+tag(got[0], "calltap.lag"), "a recording tells nothing of the tap")
	}
}

func TestWhereAMessageWasBoundForIsTold(t *testing.T) {
	in := call4(callID)
	for i := range in {
		in[i].Server, in[i].Namespace, in[i].VHost = "host1", "objects", "prod"
	}
	got, _ := observed(t, in...)
	for _, s := range got {
		require.Equal(t, "host1", tag(s, "rpc.server"))
		require.Equal(t, "objects", tag(s, "rpc.namespace"))
		require.Equal(t, "prod", tag(s, "amqp.vhost"))
	}
}

// Whoever says of himself who he is, is called so while nothing better is known.
func TestASenderThatNamesItselfIsTheCaller(t *testing.T) {
	in := call4(callID)
	in[0].Sender, in[1].Sender = "Shop.Web", "Shop.Web"
	got, _ := observed(t, in...)
	require.Equal(t, "Shop.Web", got.one(t, span.KindClient, "").Local.Service)
}

// allowed are the fields of a Message that may be read on a span, as they are or as a time, a trace id or a word.
var allowed = map[string]bool{
	"Dialect": true, "VHost": true, "Exchange": true, "RoutingKey": true, "Queue": true, "Topic": true, "Server": true,
	"Namespace": true, "Method": true, "DeadReason": true, "DeadQueue": true, "Sender": true, "Error": true, "UserID": true, "ProjectID": true,
}

// Every text field holds a text of its own. Those that are not allowed must not be found in any form of message; a field
// that is new is not allowed until somebody decides so here.
func TestNothingButWhatIsAllowedGetsIntoASpan(t *testing.T) {
	for form := FormCall; form <= FormHeartbeat; form++ {
		var all []Message
		for point := Published; point <= Delivered; point++ {
			for _, dead := range []bool{false, true} {
				m := Message{Time: t0 + int64(len(all)), Point: point, Form: form}
				fillTexts(reflect.ValueOf(&m).Elem())
				if !dead {
					m.DeadReason = ""
				}
				m.Args = Args(AppendArg(nil, "password", "secret-of-Args"))
				m.Context.State = "secret=of-State"
				all = append(all, m)
			}
		}
		if form == FormCall {
			answer := all[0]
			answer.Form = FormReply
			all = append(all, answer)
		}
		end := Message{Time: t0 + time.Hour.Microseconds(), Point: Published, Form: FormHeartbeat}
		got, _ := observed(t, append(all, end)...)
		if form == FormCall || form == FormCast {
			require.NotEmpty(t, got)
		}
		for _, s := range got {
			text := string(s.AppendJSON(nil)) + fmt.Sprintf("%+v", s)
			require.NotContains(t, text, "secret")
			for i := range reflect.TypeFor[Message]().NumField() {
				name := reflect.TypeFor[Message]().Field(i).Name
				if !allowed[name] {
					require.NotContains(t, text, "of-"+name)
				}
			}
		}
	}
}

func fillTexts(v reflect.Value) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if field.Kind() != reflect.String {
			continue
		}
		if allowed[name] {
			field.SetString("value-of-" + name)
		} else {
			field.SetString("secret-of-" + name + strings.Repeat("!", 16))
		}
	}
}
