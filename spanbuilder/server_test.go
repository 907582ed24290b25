package spanbuilder

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

const clientsOwn = "req-463ac35c-9f64-43ad-8848-5a3953bb6124"

func uuidOf(t *testing.T, requestID string) span.TraceID {
	id, ok := ParseRequestID(requestID)
	require.True(t, ok)
	return id
}

func TestANewTraceHasItsRootInItsID(t *testing.T) {
	tr := &Tracer{Head: sampling.All, Links: NewLinks(0)}
	a := tr.StartServer(Context{}, false, "", false, "api", tr.Head)
	b := tr.StartServer(Context{}, false, "", false, "api", tr.Head)
	require.NotEqual(t, a.TraceID, b.TraceID)
	require.Equal(t, span.ID(a.TraceID.Low), a.ID)
	require.Zero(t, a.Parent)
	require.True(t, a.Sampled)
	_, ok := tr.Links.Get(a.TraceID)
	require.False(t, ok, "nobody will ask for it: neither a source nor a link")
}

func TestTraceHeadersAreContinued(t *testing.T) {
	tr := &Tracer{Head: sampling.Head{}, Links: NewLinks(0), HasSources: true}
	in := Context{TraceID: id64, SpanID: idSpan, Decision: Debug}
	s := tr.StartServer(in, true, clientsOwn, true, "api", tr.Head)
	require.Equal(t, id64, s.TraceID)
	require.Equal(t, idSpan, s.Parent)
	require.NotZero(t, s.ID)
	require.NotEqual(t, idSpan, s.ID)
	require.True(t, s.Sampled && s.Debug)
	e, ok := tr.Links.Get(id64)
	require.True(t, ok)
	require.Equal(t, Entry{TraceID: id64, ID: s.ID, Sampled: true, Service: "api"}, e)

	s = tr.StartServer(in, false, "", false, "api", tr.Head)
	require.NotEqual(t, id64, s.TraceID, "not found means not trusted")
}

func TestADecisionAloneBeatsTheShare(t *testing.T) {
	all := &Tracer{Head: sampling.All}
	require.False(t, all.StartServer(Context{Decision: Deny}, true, "", false, "", all.Head).Sampled)
	none := &Tracer{Head: sampling.Head{}}
	require.False(t, none.StartServer(Context{}, false, "", false, "", none.Head).Sampled)
	s := none.StartServer(Context{Decision: Accept}, true, "", false, "", none.Head)
	require.True(t, s.Sampled)
	require.False(t, s.Debug)
	require.True(t, none.StartServer(Context{Decision: Debug}, true, "", false, "", none.Head).Debug)
}

// The outer calltap mints, the inner one in another process must find its parent with no state at all.
func TestAMintedRequestIDTellsTheInnerHopItsParent(t *testing.T) {
	outer := &Tracer{Head: sampling.Head{Share: 0.5}, Link: LinkOpenStack, Links: NewLinks(0)}
	for range 100 {
		o := outer.StartServer(Context{}, false, "", false, "nova-api", outer.Head)
		id := string(AppendRequestID(nil, o.TraceID))
		require.Equal(t, byte('8'), id[18], "UUID version")
		require.Contains(t, "89ab", id[23:24], "UUID variant")

		elsewhere := &Tracer{Head: sampling.Head{Share: 0.5}, Link: LinkOpenStack, Links: NewLinks(0)}
		i := elsewhere.StartServer(Context{}, false, id, true, "glance-api", elsewhere.Head)
		require.Equal(t, o.TraceID, i.TraceID)
		require.Equal(t, o.ID, i.Parent)
		require.NotEqual(t, o.ID, i.ID)
		require.Equal(t, o.Sampled, i.Sampled)
	}
}

func TestAClientsOwnRequestIDNamesTheTrace(t *testing.T) {
	tr := &Tracer{Head: sampling.All, Link: LinkOpenStack, Links: NewLinks(0)}
	first := tr.StartServer(Context{}, false, clientsOwn, true, "nova-api", tr.Head)
	require.Equal(t, uuidOf(t, clientsOwn), first.TraceID)
	require.Equal(t, span.ID(first.TraceID.Low), first.ID)
	require.Zero(t, first.Parent)

	second := tr.StartServer(Context{}, false, clientsOwn, true, "glance-api", tr.Head)
	require.Equal(t, first.TraceID, second.TraceID)
	require.Equal(t, first.ID, second.Parent)

	e, ok := tr.Links.Get(first.TraceID)
	require.True(t, ok)
	require.Equal(t, "nova-api", e.Service, "the entry stays the first")
}

// Of two calltaps in different processes the inner one goes by the headers of the outer one. Where a program between them passes on the
// client's own id alone, nothing tells that there was an outer one: both are the root.
func TestAClientsOwnRequestIDInTwoProcesses(t *testing.T) {
	newTracer := func() *Tracer { return &Tracer{Head: sampling.All, Link: LinkOpenStack, Links: NewLinks(0)} }
	outer, next, beside := newTracer(), newTracer(), newTracer()
	o := outer.StartServer(Context{}, false, clientsOwn, true, "nova-api", outer.Head)
	n := next.StartServer(Context{TraceID: o.TraceID, SpanID: o.ID, Decision: Accept}, true, clientsOwn, true, "nova-api", next.Head)
	require.Equal(t, [2]any{o.TraceID, o.ID}, [2]any{n.TraceID, n.Parent})
	require.NotEqual(t, o.ID, n.ID)
	require.Equal(t, o, beside.StartServer(Context{}, false, clientsOwn, true, "glance-api", beside.Head))
}

func TestABadRequestIDIsNoLink(t *testing.T) {
	tr := &Tracer{Head: sampling.All, Link: LinkOpenStack, Links: NewLinks(0)}
	s := tr.StartServer(Context{}, false, "not-a-valid-id", true, "api", tr.Head)
	require.Zero(t, s.Parent)
	require.True(t, minted(s.TraceID))

	plain := &Tracer{Head: sampling.All, Links: NewLinks(0)}
	s = plain.StartServer(Context{}, false, clientsOwn, true, "api", plain.Head)
	require.NotEqual(t, uuidOf(t, clientsOwn), s.TraceID, "without link openstack the header means nothing")
}

// A client with both gets its trace by the headers, while RPC comes back with the request id.
func TestTraceHeadersAndRequestIDThatDisagreeAreOneTrace(t *testing.T) {
	tr := &Tracer{Head: sampling.All, Link: LinkOpenStack, Links: NewLinks(0)}
	in := Context{TraceID: id64, SpanID: idSpan, Decision: Accept}
	s := tr.StartServer(in, true, clientsOwn, true, "nova-api", tr.Head)
	require.Equal(t, id64, s.TraceID)
	inner := tr.StartServer(Context{}, false, clientsOwn, true, "glance-api", tr.Head)
	require.Equal(t, id64, inner.TraceID)
	require.Equal(t, s.ID, inner.Parent)
}

func TestSamplingIsTheSameEverywhereAndOfTheRightSize(t *testing.T) {
	const n = 20_000
	yes := 0
	for i := range uint64(n) {
		id := span.TraceID{High: i, Low: 0x8000_0000_0000_0001} // poor ids, as a clock and a card give
		if sampling.Chosen(id, 0.1) {
			yes++
			require.True(t, sampling.Chosen(id, 0.2), "a higher ratio keeps what a lower keeps")
		}
	}
	require.InDelta(t, n/10, yes, n/100)
	require.True(t, sampling.Chosen(span.TraceID{Low: 1}, 1))
	require.False(t, sampling.Chosen(span.TraceID{Low: 1}, 0))
}

func TestLinksForgetsTheOldestOnly(t *testing.T) {
	l := NewLinks(1)
	size := len(l.shards) * len(l.shards[0].sets) * linkWays
	for i := range uint64(size * 4) {
		l.Put(span.TraceID{Low: i + 1}, Entry{ID: span.ID(i + 1), Sampled: i%2 == 0, Service: "s"})
		e, ok := l.Get(span.TraceID{Low: i + 1})
		require.True(t, ok)
		require.Equal(t, Entry{TraceID: span.TraceID{Low: i + 1}, ID: span.ID(i + 1), Sampled: i%2 == 0, Service: "s"}, e)
	}
	held := 0
	for i := range uint64(size * 4) {
		if _, ok := l.Get(span.TraceID{Low: i + 1}); ok {
			held++
		}
	}
	require.Equal(t, size, held)
}

func TestLinksKeepsTheFirstOfATrace(t *testing.T) {
	l := NewLinks(0)
	l.Put(id128, Entry{ID: 1, Service: "a"})
	l.Put(id128, Entry{ID: 2, Service: "b"})
	e, _ := l.Get(id128)
	require.Equal(t, span.ID(1), e.ID)
	l.Put(span.TraceID{}, Entry{ID: 1})
	_, ok := l.Get(span.TraceID{})
	require.False(t, ok)
	var none *Links
	none.Put(id128, Entry{ID: 1})
	_, ok = none.Get(id128)
	require.False(t, ok)
}

func TestLinksServicesAreBounded(t *testing.T) {
	var l labels
	for i := range maxLinkLabels * 2 {
		n := l.number(string(rune('a'+i%26)) + span.ID(i).String())
		require.Less(t, int(n), maxLinkLabels)
	}
	require.Equal(t, "", l.text(0))
	require.Equal(t, "", l.text(65535))
	require.Len(t, l.table.Load().texts, maxLinkLabels)
}

func TestLinksUnderConcurrentUse(t *testing.T) {
	l := NewLinks(1024)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range uint64(2000) {
				id := span.TraceID{High: uint64(w), Low: i + 1}
				l.Put(id, Entry{ID: span.ID(i + 1), Service: string(rune('a' + w))})
				if e, ok := l.Get(id); ok && (e.ID != span.ID(i+1) || e.Service != string(rune('a'+w))) {
					t.Error("another's entry")
				}
			}
		})
	}
	wg.Wait()
}
