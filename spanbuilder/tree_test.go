package spanbuilder

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

const rootUUID = "7d3c2f7e-95f2-4f0e-8d2b-0c9a1b2c3d4e"

// task is a message of a protocol that names works, in the manner of Celery: the four points of a call from one process to another,
// each with connections of its own.
func task(id, root, parent string, at time.Duration, from, to string) []Message {
	all := shift(call4("task-"+id+"-0000000000000000"), at)
	for i := range all {
		m := &all[i]
		m.RequestID, m.UserID, m.ProjectID, m.ReplyTo, m.Method = "", "", "", "reply_"+from, id
		if m.Form == FormCall {
			m.Root, m.Work = root, IdentOf("task", id)
			if parent != "" {
				m.Parent = IdentOf("task", parent)
			}
		}
	}
	all[0].Connection, all[1].Connection = from+" out", to+" in"
	all[2].Connection, all[3].Connection = to+" out", from+" reply"
	return all
}

func chain(parts ...[]Message) []Message {
	var all []Message
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestATreeThatTheProtocolTellsIsTakenAsItIs(t *testing.T) {
	// b and c come out of a, d out of b; c is sent a minute after a ended, by a process that does something else meanwhile.
	got, stats := observed(t, chain(
		task("a", rootUUID, "", 0, "client", "w1"),
		task("b", rootUUID, "a", time.Second, "w1", "w2"),
		task("other", "", "", 2*time.Second, "client", "w1"),
		task("d", rootUUID, "b", 3*time.Second, "w2", "w3"),
		task("c", rootUUID, "a", time.Minute, "w1", "w2"),
	)...)
	checkShape(t, got)
	root, ok := parseUUID(rootUUID)
	require.True(t, ok)
	client := func(id string) span.Span { return got.one(t, span.KindClient, id) }
	server := func(id string) span.Span { return got.one(t, span.KindServer, id) }
	for _, id := range []string{"a", "b", "c", "d"} {
		require.Equal(t, root, client(id).TraceID, id)
		require.Empty(t, tag(client(id), "calltap.parent"), id)
	}
	require.NotEqual(t, root, client("other").TraceID)
	require.Zero(t, client("a").Parent)
	require.Equal(t, server("a").ID, client("b").Parent)
	require.Equal(t, server("a").ID, client("c").Parent)
	require.Equal(t, server("b").ID, client("d").Parent)
	require.EqualValues(t, 1, stats.Unlinked)
}

// A root that is no UUID is a trace all the same; one that is too short to be unique is none.
func TestRootsOfOtherShapes(t *testing.T) {
	for root, one := range map[string]bool{"the-conversation-of-tuesday": true, "42": false} {
		got, _ := observed(t, chain(task("a", root, "", 0, "x", "y"), task("b", root, "", time.Second, "z", "y"))...)
		a, b := got.one(t, span.KindClient, "a"), got.one(t, span.KindClient, "b")
		require.Equal(t, one, a.TraceID == b.TraceID, root)
		require.False(t, a.TraceID.IsZero())
	}
}

// The first message of a tree has trace headers, or comes out of a call that has; the rest tells only its root.
func TestATreeJoinsTheTraceOfItsFirstMessage(t *testing.T) {
	first := task("a", rootUUID, "", 0, "client", "w1")
	for i := range 2 {
		first[i].Context = Context{TraceID: id128, SpanID: idSpan}
	}
	got, _ := observed(t, chain(first, task("b", rootUUID, "a", time.Second, "w1", "w2"), task("lost", rootUUID, "never-seen", 2*time.Second, "w2", "w1"))...)
	for _, s := range got {
		require.Equal(t, id128, s.TraceID)
	}
	require.Equal(t, idSpan, got.one(t, span.KindClient, "a").Parent)
	require.Equal(t, got.one(t, span.KindServer, "a").ID, got.one(t, span.KindClient, "b").Parent)
	require.Equal(t, idSpan, got.one(t, span.KindClient, "lost").Parent, "its parent is unknown, its tree is not")

	outer := call4(callID) // of an OpenStack request
	for i := range outer {
		outer[i].Connection = []string{"api out", "w in", "w out", "api in"}[i]
	}
	inner := task("a", rootUUID, "", 3*time.Millisecond, "w", "v")
	inner[0].Connection = "w in"
	got, stats := observed(t, chain(outer[:2], inner[:2], shift(outer[2:], time.Second), shift(inner[2:], time.Second),
		task("b", rootUUID, "a", time.Minute, "v", "u"))...)
	checkShape(t, got)
	for _, s := range got {
		require.Equal(t, uuidOf(t, outer[0].RequestID), s.TraceID, tag(s, "rpc.method"))
	}
	require.Equal(t, got.one(t, span.KindServer, "reboot").ID, got.one(t, span.KindClient, "a").Parent)
	require.Equal(t, "guessed", tag(got.one(t, span.KindClient, "a"), "calltap.parent"))
	require.EqualValues(t, 1, stats.Adopted)
}

// Nameko's names leave out what only the next message tells, so that one caller's calls of one method share theirs.
func TestOfWorksOfOneNameTheSendersOwnIsTheParent(t *testing.T) {
	a, b := task("a", "", "", 0, "client", "w1"), task("b", "", "", time.Millisecond/2, "client", "w2")
	for _, m := range [][]Message{a, b} {
		for i := range 2 {
			m[i].Work = IdentOf("client", "hello")
		}
	}
	warm := task("warm", "", "", -time.Minute, "client", "w1") // shows which connections are w1's
	inner := task("c", "", "", 3*time.Millisecond, "w1", "z")
	inner[0].Connection, warm[2].Connection = "w1 out", "w1 out"
	for i := range 2 {
		inner[i].Parent = IdentOf("client", "hello")
	}
	got, _ := observed(t, chain(warm, a[:1], b[:1], a[1:2], b[1:2], inner, shift(a[2:], time.Second), shift(b[2:], time.Second))...)
	checkShape(t, got)
	c := got.one(t, span.KindClient, "c")
	require.Equal(t, got.one(t, span.KindServer, "a").ID, c.Parent)
	require.Empty(t, tag(c, "calltap.parent"))

	inner[0].Connection = "nobody's"
	got, _ = observed(t, chain(a[:1], b[:1], a[1:2], b[1:2], inner, shift(a[2:], time.Second), shift(b[2:], time.Second))...)
	require.Equal(t, "guessed", tag(got.one(t, span.KindClient, "c"), "calltap.parent"), "either may have sent it")
}

// osprofiler's ids name a trace of its own. If an HTTP request entered by the global id, that is where the call belongs.
func TestATraceThatNoRequestEnteredByYieldsToOneThatDid(t *testing.T) {
	tracer := newTracer(t, nil)
	http := tracer.StartServer(Context{}, false, "", false, "nova-api", tracer.Head)
	in := call4(callID)
	for i := range 2 {
		in[i].GlobalRequestID = string(AppendRequestID(nil, http.TraceID))
		in[i].Context = Context{TraceID: id128}
	}
	got, _ := replay(t, tracer, PairerOptions{}, in)
	require.Equal(t, http.TraceID, got[0].TraceID)

	got, _ = replay(t, newTracer(t, nil), PairerOptions{}, in)
	require.Equal(t, http.TraceID, got[0].TraceID, "it entered by another process's calltap, which made that id")

	for i := range 2 {
		in[i].GlobalRequestID = clientsOwn
	}
	got, _ = replay(t, newTracer(t, nil), PairerOptions{}, in)
	require.Equal(t, id128, got[0].TraceID)
}

func TestAFloodOfTreesIsBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	for i := range maxTreeRoots + 5000 {
		m := Message{
			Time: t0 + int64(i), Point: Delivered, Form: FormCast, ID: fmt.Sprintf("cast-%020d", i), Queue: "q", Method: "m",
			Root: fmt.Sprintf("tree-%020d", i), Work: Ident(i + 1), Context: Context{TraceID: id128, SpanID: idSpan},
		}
		p.Observe(tracer, &m)
	}
	require.Len(t, p.tree.works.byKey, maxTreeWorks)
	require.Len(t, p.tree.roots.byKey, maxTreeRoots)
	require.Len(t, p.tree.roots.order, maxTreeRoots)
	require.Nil(t, p.tree.works.get(1))
	require.NotNil(t, p.tree.works.get(Ident(maxTreeRoots+5000)))
}
