package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

func TestTraceHeadersInAMessageNameItsParent(t *testing.T) {
	in := call4(callID)
	for i := range 2 {
		in[i].Context = Context{TraceID: id128, SpanID: idSpan, Decision: Deny}
	}
	got, _ := observed(t, in...)
	client := got.one(t, span.KindClient, "")
	require.Equal(t, id128, client.TraceID)
	require.Equal(t, idSpan, client.Parent)
	require.False(t, client.Sampled)
	require.Empty(t, tag(client, "calltap.parent"))
}

// A worker of plain reply-to RPC that asks another for help while it serves one call: no id tells, but it is one connection.
func TestANestedCallWithoutAnyContextFindsItsParent(t *testing.T) {
	plain := func(id, replyTo string) []Message {
		all := call4(id)
		for i := range all {
			all[i].RequestID, all[i].UserID, all[i].ProjectID, all[i].ReplyTo = "", "", "", replyTo
		}
		return all
	}
	outer, inner := plain(callID, "client"), plain("inner-call-with-an-id", "worker")
	outer[1].Connection, outer[2].Connection = "w", "w"
	inner[0].Connection, inner[1].Connection, inner[2].Connection, inner[3].Connection = "w", "v", "v", "w"
	for i := range inner {
		inner[i].Time = t0 + 2000 + int64(i)*1000
	}
	got, stats := observed(t, outer[0], outer[1], inner[0], inner[1], inner[2], inner[3], outer[2], outer[3])
	checkShape(t, got)
	require.EqualValues(t, 1, stats.Adopted)
	require.EqualValues(t, 1, stats.Unlinked)
	servers := got.where(span.KindServer, "")
	require.Equal(t, servers[1].ID, got.where(span.KindClient, "")[0].Parent)
	require.Equal(t, servers[0].TraceID, servers[1].TraceID)
}

func TestTwoWorkersCallsAreNotMixedUp(t *testing.T) {
	// Both workers serve a call of the same trace; worker b's nested call comes while a's call is the latest.
	a, b, nested := call4("call-to-a-00000000"), call4("call-to-b-00000000"), call4("nested-of-b-000000")
	warm := call4("warm-up-of-b-00000") // shows that b's connections belong together
	for _, m := range [][]Message{b, warm} {
		m[1].Connection, m[2].Connection = "b in", "b out"
	}
	a[1].Connection, a[2].Connection = "a in", "a out"
	for i := range nested {
		nested[i].ReplyTo = "reply_b"
	}
	nested[0].Connection, nested[1].Connection, nested[2].Connection, nested[3].Connection = "b out", "c in", "c out", "b reply"
	all := shift(warm, -time.Minute)
	all = append(all, b[0], b[1])
	all = append(all, shift(a[:2], time.Millisecond)...)
	all = append(all, shift(nested, 3*time.Millisecond)...)
	all = append(all, shift(b[2:], time.Minute/10)...)
	all = append(all, shift(a[2:], time.Minute/10)...)
	got, _ := observed(t, all...)
	checkShape(t, got)
	var want, have span.ID
	for _, s := range got {
		switch {
		case s.Kind == span.KindServer && s.Start == b[1].Time:
			want = s.ID
		case s.Kind == span.KindClient && s.Start == nested[0].Time:
			have = s.Parent
			require.Empty(t, tag(s, "calltap.parent"), "b is surely the sender")
		}
	}
	require.NotZero(t, want)
	require.Equal(t, want, have)
}

func TestIgnoredCallsGiveNoSpanAndNothingHangsBelowThem(t *testing.T) {
	rules, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{{Ignore: true, Kind: "rpc", RPCMethod: "reboot"}}})
	require.NoError(t, err)
	tracer := newTracer(t, nil)
	tracer.Rules = rules
	outer, inner := call4(callID), call4("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
	for i := range inner {
		inner[i].Method, inner[i].ReplyTo = "save", "reply_worker"
		inner[i].Time = t0 + 2000 + int64(i)*1000
	}
	inner[0].Connection, inner[1].Connection, inner[2].Connection, inner[3].Connection = "worker in", "x", "x", "y"
	got, stats := replay(t, tracer, PairerOptions{}, []Message{outer[0], outer[1], inner[0], inner[1], inner[2], inner[3], outer[2], outer[3]})
	require.Len(t, got, 2)
	require.Zero(t, got.one(t, span.KindClient, "save").Parent)
	require.EqualValues(t, 2, stats.Ignored)
}

func TestARulesServiceIsTheReceivers(t *testing.T) {
	rules, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{{Kind: "rpc", RPCMethod: "reboot", Service: "rpcreboot", Key: "k"}}})
	require.NoError(t, err)
	tracer := newTracer(t, nil)
	tracer.Rules = rules
	got, _ := replay(t, tracer, PairerOptions{}, call4(callID))
	require.Equal(t, "rpcreboot", got.one(t, span.KindServer, "").Local.Service)
	require.Equal(t, "rpcreboot", got.one(t, span.KindClient, "").Remote.Service)
	require.Equal(t, "nova", got.one(t, span.KindClient, "").Local.Service)
	require.Equal(t, "k", got[0].Key)
}

func TestTheHTTPSpansDecisionHoldsForItsCalls(t *testing.T) {
	for _, decision := range []Decision{Accept, Deny} {
		tracer := newTracer(t, nil)
		tracer.Head.Share = 0.5
		http := tracer.StartServer(Context{Decision: decision}, true, "", false, "nova-api", tracer.Head)
		in := call4(callID)
		for i := range 2 {
			in[i].GlobalRequestID = string(AppendRequestID(nil, http.TraceID))
		}
		got, _ := replay(t, tracer, PairerOptions{}, in)
		client := got.one(t, span.KindClient, "")
		require.Equal(t, http.ID, client.Parent)
		require.Equal(t, decision == Accept, client.Sampled)
		require.Equal(t, "nova-api", client.Local.Service)
	}
}
