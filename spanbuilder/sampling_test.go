package spanbuilder

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

func TestWhoDecidesAboutARequest(t *testing.T) {
	none := sampling.Head{}
	for _, x := range []struct {
		about        string
		said         Decision
		by           sampling.Head
		sampled, own bool
	}{
		{"nobody before", Defer, sampling.All, true, true},
		{"nobody before", Defer, none, false, true},
		{"the caller", Accept, none, true, false},
		{"the caller", Debug, none, true, false},
		{"the caller", Deny, sampling.All, false, false},
		{"alone", Accept, sampling.Head{Alone: true}, false, true},
		{"alone", Debug, sampling.Head{Alone: true}, false, true},
		{"alone", Deny, sampling.Head{Share: 1, Alone: true}, true, true},
		{"for good", Accept, sampling.Head{Final: true}, false, false},
		{"for good", Deny, sampling.Always, true, false},
	} {
		tr := &Tracer{Link: LinkOpenStack, Links: NewLinks(0)}
		s := tr.StartServer(Context{TraceID: id64, SpanID: idSpan, Decision: x.said}, true, "", false, "api", x.by)
		require.Equal(t, x.sampled, s.Sampled, "%+v", x)
		require.Equal(t, x.own, s.Own, "%+v", x)
		require.Equal(t, x.sampled && x.said == Debug, s.Debug, "%+v", x)
		e, ok := tr.Links.Get(id64)
		require.True(t, ok)
		require.Equal(t, x.sampled, e.Sampled, "RPC is told the same")
	}
}

// An inner hop follows what the outer one of this process decided, which its own head may not know: a rate is not of the id.
func TestAnInnerHopFollowsTheOuterOne(t *testing.T) {
	tr := &Tracer{Link: LinkOpenStack, Links: NewLinks(0)}
	for _, outer := range []sampling.Head{sampling.All, {}} {
		o := tr.StartServer(Context{}, false, "", false, "nova-api", outer)
		id := string(AppendRequestID(nil, o.TraceID))
		for _, inner := range []sampling.Head{{}, sampling.All, {Share: 1, Alone: true}} {
			i := tr.StartServer(Context{}, false, id, true, "glance-api", inner)
			require.Equal(t, o.Sampled, i.Sampled)
			require.False(t, i.Own)
		}
		require.True(t, tr.StartServer(Context{}, false, id, true, "glance-api", sampling.Always).Sampled, "but for one that is final")
	}
}

func TestATraceThatIsKeptIsSampledForWhateverFollows(t *testing.T) {
	tr := &Tracer{Link: LinkOpenStack, Links: NewLinks(0)}
	o := tr.StartServer(Context{}, false, "", false, "nova-api", sampling.Head{})
	tr.Links.Keep(o.TraceID)
	tr.Links.Keep(span.TraceID{Low: 99}) // unknown: nothing happens
	require.True(t, tr.StartServer(Context{}, false, string(AppendRequestID(nil, o.TraceID)), true, "glance-api", sampling.Head{}).Sampled)
	_, ok := tr.Links.Get(span.TraceID{Low: 99})
	require.False(t, ok)
	var none *Links
	none.Keep(o.TraceID)
}

// What a rule says of an RPC is of the traces that begin with it, or of its own spans alone.
func TestRulesSampleRPC(t *testing.T) {
	rules, err := keyrules.Compile(keyrules.Config{Rules: []keyrules.Rule{
		{Kind: "rpc", RPCMethod: "half", Key: "half", Sample: "0.5"},
		{Kind: "rpc", RPCMethod: "off", Key: "off", Sample: "off"},
		{Kind: "rpc", RPCMethod: "always", Key: "always", Sample: "always"},
	}})
	require.NoError(t, err)
	cast := func(n uint64, method string, d Decision) Message {
		m := Message{Time: int64(n+1) * 1000, Point: Published, Form: FormCast, VHost: "/", Exchange: "e", Topic: "t", RoutingKey: "t",
			Connection: "c", Method: method, ID: span.TraceID{High: 1 << 63, Low: n}.String()}
		if d != Defer {
			m.Context = Context{TraceID: span.TraceID{High: 3, Low: n + 1}, SpanID: 5, Decision: d}
		}
		return m
	}
	for _, x := range []struct {
		method  string
		said    Decision
		by      float64
		sampled float64 // the share
		settled bool
	}{
		{"half", Defer, 0, 0.5, false}, {"half", Defer, 1, 0.5, false}, {"half", Accept, 0, 1, false}, {"half", Deny, 1, 0, false},
		{"off", Defer, 1, 0, true}, {"off", Accept, 1, 0, true},
		{"always", Defer, 0, 1, true}, {"always", Deny, 0, 1, true},
		{"other", Defer, 0.25, 0.25, false},
	} {
		tracer := &Tracer{Rules: rules, Head: sampling.Head{Share: x.by}}
		var all []Message
		const n = 4000
		for i := range uint64(n) {
			all = append(all, cast(i, x.method, x.said))
		}
		got, _ := replay(t, tracer, PairerOptions{}, all)
		require.Len(t, got, n)
		sampled := 0
		for _, s := range got {
			require.Equal(t, x.settled, s.Settled, "%+v", x)
			if s.Sampled {
				sampled++
			}
		}
		require.InDelta(t, x.sampled*n, sampled, 160, "%+v", x) // five standard deviations
	}
}
