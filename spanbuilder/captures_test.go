package spanbuilder

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

var update = flag.Bool("update", false, "write testdata/*.tree anew")

// Each capture's traces, as trees, are kept beside it, so that a change of how calls are linked shows as a diff.
func TestCapturesGiveTheseTraces(t *testing.T) {
	for _, name := range captured {
		t.Run(name, func(t *testing.T) {
			got, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, name))
			text := ""
			seen := map[span.TraceID]bool{}
			for _, s := range got {
				if !seen[s.TraceID] {
					seen[s.TraceID] = true
					text += s.TraceID.String() + "\n" + got.ofTrace(s.TraceID).tree()
				}
			}
			file := filepath.Join("testdata", name+".tree")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), text)
		})
	}
}

// checkShape asserts what must hold of any spans whatever the messages were.
func checkShape(t *testing.T, all spans) {
	ids := all.byID()
	require.Len(t, ids, len(all), "no span twice")
	for _, s := range all {
		require.False(t, s.TraceID.IsZero())
		require.NotZero(t, s.ID)
		require.NotEqual(t, s.ID, s.Parent)
		require.Positive(t, s.Start)
		require.GreaterOrEqual(t, s.Duration, int64(0))
		require.NotEmpty(t, s.Name)
		require.NotEmpty(t, s.Local.Service)
		for depth, x := 0, s; x.Parent != 0; depth++ {
			require.Less(t, depth, len(all), "a cycle")
			parent, ok := ids[x.Parent]
			if !ok {
				break
			}
			require.Equal(t, parent.TraceID, x.TraceID)
			x = parent
		}
	}
}

func TestABootIsOneTraceBelowItsHTTPRequest(t *testing.T) {
	const global = "req-8618abd6-25f9-443d-a023-040661f408ff"
	tracer := newTracer(t, nil)
	http := tracer.StartServer(Context{}, false, global, true, "nova-api", tracer.Head)
	all, stats := replay(t, tracer, PairerOptions{}, capture(t, "boot1"))
	checkShape(t, all)
	require.Len(t, all, 32, "13 calls and 3 casts, two spans each")
	require.EqualValues(t, 13, stats.Calls)
	require.EqualValues(t, 2, stats.Casts)
	require.EqualValues(t, 1, stats.Fanouts)
	require.EqualValues(t, 13, stats.Replies)
	require.EqualValues(t, 1, stats.Adopted, "ComputeNode.save, which carries another id")
	ids := all.byID()
	for _, s := range all {
		require.Equal(t, uuidOf(t, global), s.TraceID)
		_, ok := ids[s.Parent]
		require.True(t, ok || s.Parent == http.ID, "%v %s hangs loose", s.Kind, s.Name)
	}

	sent := all.one(t, span.KindProducer, "schedule_and_build_instances")
	require.Equal(t, http.ID, sent.Parent)
	require.Equal(t, "nova-api", sent.Local.Service)
	require.Equal(t, "conductor", sent.Remote.Service)
	require.Equal(t, []span.Note{{Time: 1795192746237861, Value: "sent"}}, sent.Notes)

	got := all.one(t, span.KindConsumer, "schedule_and_build_instances")
	require.Equal(t, sent.ID, got.Parent)
	require.Equal(t, got.Start-sent.Start, timer(got, "queue_wait"))

	call := all.one(t, span.KindClient, "select_destinations")
	require.Equal(t, got.ID, call.Parent)
	require.Equal(t, "conductor", call.Local.Service)
	require.Equal(t, "scheduler", call.Remote.Service)
	served := all.one(t, span.KindServer, "select_destinations")
	require.Equal(t, call.ID, served.Parent)
	require.Equal(t, "scheduler", served.Local.Service)
	require.Equal(t, served.Start-call.Start, timer(served, "queue_wait"))
	require.Equal(t, call.Start+call.Duration, served.Start+served.Duration+timer(call, "reply_wait"))

	built := all.one(t, span.KindConsumer, "build_and_run_instance")
	require.Equal(t, got.ID, all.one(t, span.KindProducer, "build_and_run_instance").Parent)
	fromCompute := 0
	for _, s := range all.where(span.KindClient, "") {
		if tag(s, "rpc.method") != "select_destinations" {
			fromCompute++
			require.Equal(t, built.ID, s.Parent)
			require.Equal(t, "compute", s.Local.Service)
		}
	}
	require.Equal(t, 12, fromCompute)
	require.Equal(t, built.ID, all.one(t, span.KindProducer, "update_instance_info").Parent)
}

// In another process there is no entry to find: the root's id follows from the trace's.
func TestABootSeenByAnotherProcessHangsBelowTheRootAllTheSame(t *testing.T) {
	all, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "boot1"))
	sent := all.one(t, span.KindProducer, "schedule_and_build_instances")
	require.Equal(t, span.ID(sent.TraceID.Low), sent.Parent)

	apart := newTracer(t, nil)
	apart.Link = LinkNone
	all, _ = replay(t, apart, PairerOptions{}, capture(t, "boot1"))
	require.Zero(t, all.one(t, span.KindProducer, "schedule_and_build_instances").Parent, "no HTTP span has that id")
}

func TestABootWithoutAGlobalIDIsOneTraceByItsRequestID(t *testing.T) {
	all, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "boot1-noglobal"))
	checkShape(t, all)
	root := all.one(t, span.KindProducer, "schedule_and_build_instances")
	require.Zero(t, root.Parent)
	for _, s := range all {
		require.Equal(t, root.TraceID, s.TraceID)
		require.True(t, s.Parent != 0 || s.ID == root.ID)
	}
}

func TestAFailedBootNamesTheRemoteException(t *testing.T) {
	all, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "bootfail"))
	for _, kind := range []span.Kind{span.KindClient, span.KindServer} {
		require.Equal(t, "NoValidHost", all.one(t, kind, "select_destinations").Error)
	}
	all, _ = replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "callfail"))
	served := all.one(t, span.KindServer, "get_vnc_console")
	require.Equal(t, "ConsoleTypeUnavailable", served.Error)
	inner := all.ofTrace(served.TraceID).one(t, span.KindClient, "object_action")
	require.Equal(t, served.ID, inner.Parent)
	require.Empty(t, inner.Error)
}

func TestATimedOutCallEndsAtItsTimeoutAndItsServerAtItsReply(t *testing.T) {
	all, stats := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "calltimeout"))
	checkShape(t, all)
	require.EqualValues(t, 1, stats.Timeouts)
	require.EqualValues(t, 1, stats.Late)
	require.Zero(t, stats.Adopted)
	call := all.one(t, span.KindClient, "get_instance_diagnostics")
	require.Equal(t, "timeout", call.Error)
	require.EqualValues(t, 60_000_000, call.Duration)
	served := all.one(t, span.KindServer, "get_instance_diagnostics")
	require.Empty(t, served.Error)
	require.Equal(t, "true", tag(served, "rpc.late"))
	require.Greater(t, served.Duration, call.Duration)
	require.Len(t, all.ofTrace(call.TraceID), 2, "the stopped service's own work is not the caller's")
}

func TestAnIdleMinuteLeavesNothingOver(t *testing.T) {
	all, stats := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "idle60"))
	checkShape(t, all)
	require.Equal(t, PairerStats{Calls: 32, Fanouts: 2, Replies: 32, Spans: 68}, stats)
	beats := map[span.TraceID]bool{}
	for _, s := range all {
		if tag(s, "openstack.request_id") == "req-330d23da-f3ee-4c8c-93f3-8e80db156ec9" {
			beats[s.TraceID] = true
		}
	}
	require.Len(t, beats, 6, "each heartbeat is a trace of its own, though all have one id")
	require.Contains(t, beats, span.TraceID{High: 0x330d23daf3ee4c8c, Low: 0x93f38e80db156ec9}, "the first has the id itself")
}

// A notification leaves on a connection of its own; it belongs to who sends it, not to who last received something.
func TestANotificationHangsBelowTheWorkThatSentIt(t *testing.T) {
	all, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "boot1-notifications"))
	checkShape(t, all)
	built := all.one(t, span.KindConsumer, "build_and_run_instance")
	for _, event := range []string{"compute.instance.create.start", "compute.instance.create.end"} {
		require.Equal(t, built.ID, all.one(t, span.KindProducer, event).Parent, event)
	}
	chosen := all.one(t, span.KindServer, "select_destinations")
	for _, event := range []string{"scheduler.select_destinations.start", "scheduler.select_destinations.end"} {
		require.Equal(t, chosen.ID, all.one(t, span.KindProducer, event).Parent, event)
	}
}

func TestAReplayIsTheSameEveryTime(t *testing.T) {
	one, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "calltimeout"))
	two, _ := replay(t, newTracer(t, nil), PairerOptions{}, capture(t, "calltimeout"))
	require.Equal(t, one, two)
}

// A source hands messages over twice when its connection broke before it acknowledged them.
func TestMessagesHandedOverTwiceChangeNothing(t *testing.T) {
	for _, name := range []string{"boot1", "calltimeout", "idle60"} {
		messages := capture(t, name)
		want, _ := replay(t, newTracer(t, nil), PairerOptions{}, messages)
		var twice []Message
		for i := range messages {
			twice = append(twice, messages[i])
			if i%10 == 9 || i == len(messages)-1 {
				twice = append(twice, messages[i/10*10:i+1]...)
			}
		}
		for i := range twice {
			twice[i].Time = max(twice[i].Time, twice[max(i-1, 0)].Time)
		}
		got, stats := replay(t, newTracer(t, nil), PairerOptions{}, twice)
		require.Equal(t, want.tree(), got.tree(), name)
		require.NotZero(t, stats.Duplicates)
	}
}

// With any one message lost, all others still give their spans, and what is missing is counted.
func TestALostMessageCostsItsOwnCallOnly(t *testing.T) {
	messages := capture(t, "boot1")
	want, _ := replay(t, newTracer(t, nil), PairerOptions{}, messages)
	for lost := range messages {
		less := append(append([]Message{}, messages[:lost]...), messages[lost+1:]...)
		got, stats := replay(t, newTracer(t, nil), PairerOptions{}, less)
		checkShape(t, got)
		require.GreaterOrEqual(t, len(got), len(want)-1, "message %d", lost)
		m := messages[lost]
		counted := stats.OrphanDeliveries + stats.LostDeliveries + stats.LostReplies + stats.Incomplete
		if m.Form != FormCast && m.Form != FormFanout || m.Point == Published {
			require.NotZero(t, counted, "message %d", lost)
		}
	}
}
