package spanbuilder

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

const (
	t0     = int64(1_800_000_000_000_000)
	callID = "016437560f854fa49773cb9b3cdc3a36"
)

// call4 is one whole call: its four messages, 1, 10 and 2 ms apart.
func call4(id string) []Message {
	request := Message{
		Form: FormCall, Dialect: "oslo", VHost: "/", Exchange: "nova", RoutingKey: "compute.host1", Topic: "compute",
		Method: "reboot", ReplyTo: "reply_caller", ID: id, Timeout: 10 * time.Second, Size: 1234,
		RequestID: "req-463ac35c-9f64-43ad-8848-5a3953bb6124", UserID: "u", ProjectID: "p",
	}
	answer := Message{Form: FormReply, Dialect: "oslo", VHost: "/", RoutingKey: "reply_caller", ReplyTo: "reply_caller", ID: id}
	all := []Message{request, request, answer, answer}
	for i, after := range []int64{0, 1000, 11_000, 13_000} {
		all[i].Time, all[i].Point = t0+after, Published+Point(i%2)
	}
	all[0].Connection, all[1].Connection, all[1].Queue = "caller out", "worker in", "compute.host1"
	all[2].Connection, all[3].Connection, all[3].Queue = "worker out", "caller in", "reply_caller"
	return all
}

// shift moves messages in time.
func shift(all []Message, by time.Duration) []Message {
	for i := range all {
		all[i].Time += by.Microseconds()
	}
	return all
}

func observed(t testing.TB, all ...Message) (spans, PairerStats) {
	return replay(t, newTracer(t, nil), PairerOptions{}, all)
}

func TestACallGivesBothItsSides(t *testing.T) {
	got, _ := observed(t, call4(callID)...)
	require.Len(t, got, 2)
	client, server := got.one(t, span.KindClient, "reboot"), got.one(t, span.KindServer, "reboot")
	require.Equal(t, client.ID, server.Parent)
	require.Equal(t, t0, client.Start)
	require.EqualValues(t, 13_000, client.Duration)
	require.Equal(t, []span.Timer{{Name: "reply_wait", Micros: 2000}}, client.Timers)
	require.Equal(t, t0+1000, server.Start)
	require.EqualValues(t, 10_000, server.Duration)
	require.Equal(t, []span.Timer{{Name: "queue_wait", Micros: 1000}}, server.Timers)
	require.Equal(t, []span.Tag{
		{Key: "rpc.system", Value: "oslo"}, {Key: "rpc.method", Value: "reboot"},
		{Key: "amqp.exchange", Value: "nova"}, {Key: "amqp.routing_key", Value: "compute.host1"},
		{Key: "messaging.message.size", Value: "1234"},
		{Key: "openstack.request_id", Value: "req-463ac35c-9f64-43ad-8848-5a3953bb6124"},
		{Key: "openstack.user_id", Value: "u"}, {Key: "openstack.project_id", Value: "p"},
		{Key: "amqp.queue", Value: "compute.host1"},
	}, server.Tags)
	require.Equal(t, "nova", client.Local.Service, "the caller serves no topic that was seen")
	require.Equal(t, "compute", client.Remote.Service)
	require.Equal(t, "compute", server.Local.Service)
	require.Equal(t, client.Key, server.Key)
}

func TestTheFourPointsMayComeInAnyOrder(t *testing.T) {
	want, _ := observed(t, call4(callID)...)
	permute(4, func(order []int) {
		in := call4(callID)
		var all []Message
		for _, i := range order {
			all = append(all, in[i])
		}
		got, stats := observed(t, all...)
		require.ElementsMatch(t, want, got, "%v", order)
		require.Zero(t, stats.OrphanReplies+stats.OrphanDeliveries+stats.LostDeliveries+stats.LostReplies+stats.Incomplete)
		for twice := range all {
			again := append(append([]Message{}, all...), all[twice])
			got, stats = observed(t, again...)
			require.ElementsMatch(t, want, got, "%v, then %d again", order, twice)
		}
	})
}

func permute(n int, f func([]int)) {
	order := make([]int, 0, n)
	var next func(used int)
	next = func(used int) {
		if len(order) == n {
			f(order)
			return
		}
		for i := range n {
			if used>>i&1 == 0 {
				order = append(order, i)
				next(used | 1<<i)
				order = order[:len(order)-1]
			}
		}
	}
	next(0)
}

func TestWhatALossLeaves(t *testing.T) {
	later := Message{Time: t0 + int64(time.Hour/time.Microsecond), Point: Published, Form: FormHeartbeat}
	for _, c := range []struct {
		name string
		lost int
		want string
		PairerStats
	}{
		{"request published", 0, "SERVER compute→ reboot 10000 \n", PairerStats{Replies: 1, OrphanDeliveries: 1, Spans: 1}},
		{"request delivered", 1, "CLIENT nova→compute reboot 13000 \n", PairerStats{Calls: 1, Replies: 1, LostDeliveries: 1, Spans: 1}},
		{"reply published", 2, "CLIENT nova→compute reboot 13000 \n  SERVER compute→ reboot 0 calltap.incomplete=true\n",
			PairerStats{Calls: 1, LostReplies: 1, Incomplete: 1, Spans: 2}},
		{"reply delivered", 3, "CLIENT nova→compute reboot 0 calltap.incomplete=true\n  SERVER compute→ reboot 10000 \n",
			PairerStats{Calls: 1, Replies: 1, LostReplies: 1, Incomplete: 1, Spans: 2}},
	} {
		in := call4(callID)
		in = append(in[:c.lost], in[c.lost+1:]...)
		got, stats := observed(t, append(in, later)...)
		require.Equal(t, c.want, got.tree(), c.name)
		c.PairerStats.Heartbeats = 1
		require.Equal(t, c.PairerStats, stats, c.name)
	}
}

func TestRepliesFromBeforeTheStartAreOrphans(t *testing.T) {
	in := call4(callID)
	got, stats := observed(t, in[2], in[3])
	require.Empty(t, got)
	require.Equal(t, PairerStats{OrphanReplies: 1}, stats)
}

func TestACallThatNobodyTakesTimesOut(t *testing.T) {
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	m := call4(callID)[0]
	p.Observe(tracer, &m)
	p.Advance(tracer, t0+9_999_999)
	require.Empty(t, sink.spans)
	p.Advance(tracer, t0+10_000_000)
	require.Len(t, sink.spans, 1)
	s := sink.spans[0]
	require.Equal(t, "timeout", s.Error)
	require.EqualValues(t, 10_000_000, s.Duration)
	require.Equal(t, "true", tag(s, "rpc.undelivered"))
	require.Zero(t, p.Stats().Open)
	require.EqualValues(t, 1, p.Stats().Timeouts)
}

func TestAServerThatNeverAnswersIsGivenUpAfterTheLinger(t *testing.T) {
	in := call4(callID)[:2]
	end := Message{Time: t0 + 69_999_999, Point: Published, Form: FormHeartbeat}
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	for _, m := range append(in, end) {
		p.Observe(tracer, &m)
	}
	require.Len(t, sink.spans, 1)
	require.EqualValues(t, 1, p.Stats().Open)
	p.Advance(tracer, t0+70_000_000)
	require.Len(t, sink.spans, 2)
	require.Equal(t, span.KindServer, sink.spans[1].Kind)
	require.Equal(t, "true", tag(sink.spans[1], "calltap.incomplete"))
	require.Zero(t, sink.spans[1].Duration)
	require.Zero(t, p.Stats().Open)
}

func TestALateReplyEndsTheServerOnly(t *testing.T) {
	in := call4(callID)
	in[2].Time, in[3].Time = t0+15_000_000, t0+15_001_000
	got, stats := observed(t, in...)
	require.Equal(t, "CLIENT nova→compute reboot 10000000 error=timeout\n  SERVER compute→ reboot 14999000 rpc.late=true\n", got.tree())
	require.EqualValues(t, 1, stats.Late)
	require.EqualValues(t, 1, stats.Timeouts)
	require.Zero(t, stats.OrphanReplies)
}

func TestACallWithoutATimeoutGetsTheDefault(t *testing.T) {
	in := call4(callID)[:1]
	in[0].Timeout = 0
	end := Message{Time: t0 + 61_000_000, Point: Published, Form: FormHeartbeat}
	got, _ := observed(t, append(in, end)...)
	require.EqualValues(t, 60_000_000, got.one(t, span.KindClient, "").Duration)

	in[0].Timeout = 1<<63 - 1 // hostile
	_, stats := observed(t, in...)
	require.EqualValues(t, 1, stats.Incomplete)
}

func TestAHeartbeatIsNoReply(t *testing.T) {
	in := call4(callID)
	beat := in[2]
	beat.Form, beat.Time = FormHeartbeat, t0+5000
	got, stats := observed(t, in[0], in[1], beat, in[2], in[3])
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration)
	require.EqualValues(t, 1, stats.Heartbeats)
}

func TestAnUnroutableCallFailsAtOnce(t *testing.T) {
	in := call4(callID)[0]
	in.Unroutable = true
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	p.Observe(tracer, &in)
	require.Len(t, sink.spans, 1)
	require.Equal(t, "unroutable", sink.spans[0].Error)
	require.Zero(t, sink.spans[0].Duration)
	require.Zero(t, p.Stats().Open)
}

func TestARedeliveredRequestIsServedOnce(t *testing.T) {
	in := call4(callID)
	again := in[1]
	again.Redelivered, again.Time, again.Connection = true, t0+5000, "other worker in"
	got, stats := observed(t, in[0], in[1], again, in[2], in[3])
	require.Len(t, got, 2)
	require.Equal(t, "true", tag(got.one(t, span.KindServer, ""), "redelivered"))
	require.EqualValues(t, 1, stats.Redelivered)
	require.Zero(t, stats.Duplicates)
}

// Before RabbitMQ 4.2 the delivery of a direct reply is not shown.
func TestADirectReplyEndsTheCallAtItsPublish(t *testing.T) {
	in := call4(callID)
	for i := range in {
		in[i].ReplyTo = "amq.rabbitmq.reply-to.g2dkABByYWJiaXQ.abc=="
	}
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	for i := range 3 {
		p.Observe(tracer, &in[i])
	}
	require.Len(t, sink.spans, 2)
	require.EqualValues(t, 11_000, sink.spans[1].Duration)
	require.Equal(t, "reply_published", tag(sink.spans[1], "calltap.end"))
	require.Zero(t, p.Stats().Open)

	p.Observe(tracer, &in[3]) // but this broker shows it, so from now on it is waited for
	next := shift(call4("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), time.Second)
	for i := range next {
		next[i].ReplyTo = in[0].ReplyTo
		p.Observe(tracer, &next[i])
	}
	require.Len(t, sink.spans, 4)
	require.EqualValues(t, 13_000, sink.spans[3].Duration)
	require.Empty(t, tag(sink.spans[3], "calltap.end"))
}

// Counters and constants for correlation ids are legal, and one call after the other may have the same.
func TestAnIDThatIsUsedAgainIsAnotherCall(t *testing.T) {
	var all []Message
	for i := range 3 {
		all = append(all, shift(call4("1"), time.Duration(i)*time.Second)...)
	}
	got, stats := observed(t, all...)
	require.Len(t, got, 6)
	require.Len(t, got.byID(), 6)
	require.EqualValues(t, 3, stats.Calls)
	require.Zero(t, stats.Duplicates)

	gaveUp := append(call4("1")[:2], shift(call4("1"), time.Second)...)
	got, stats = observed(t, gaveUp...)
	require.EqualValues(t, 1, stats.Superseded)
	require.Len(t, got.where(span.KindClient, ""), 2)
}

func TestCastsAreMoments(t *testing.T) {
	sent := Message{
		Time: t0, Point: Published, Form: FormFanout, Dialect: "oslo", VHost: "prod", Exchange: "scheduler_fanout",
		Topic: "scheduler", Method: "update", ID: callID, Connection: "a",
	}
	all := []Message{sent}
	for i := range 3 {
		m := sent
		m.Point, m.Time = Delivered, t0+int64(i+1)*1000
		m.Queue, m.Connection = fmt.Sprintf("scheduler_fanout_%d", i), fmt.Sprintf("b%d", i)
		all = append(all, m)
	}
	redelivered := all[1]
	redelivered.Redelivered = true
	got, stats := observed(t, append(all, all[0], all[1], redelivered)...)
	require.Len(t, got, 4)
	producer := got.one(t, span.KindProducer, "update")
	require.Zero(t, producer.Duration)
	require.Equal(t, []span.Note{{Time: t0, Value: "sent"}}, producer.Notes)
	require.Equal(t, "prod", tag(producer, "amqp.vhost"))
	for i, c := range got.where(span.KindConsumer, "update") {
		require.Equal(t, producer.ID, c.Parent)
		require.Equal(t, producer.TraceID, c.TraceID)
		require.Equal(t, []span.Note{{Time: c.Start, Value: "received"}}, c.Notes)
		require.EqualValues(t, (i+1)*1000, timer(c, "queue_wait"))
		require.Zero(t, c.Duration)
	}
	require.EqualValues(t, 1, stats.Fanouts)
	require.EqualValues(t, 2, stats.Duplicates)
	require.EqualValues(t, 1, stats.Redelivered)
}

// Plain publishers give their messages no id.
func TestCastsWithoutIDsAreMatchedInTheOrderOfTheirQueue(t *testing.T) {
	at := func(ms int64, point Point, queue string) Message {
		return Message{Time: t0 + ms*1000, Point: point, Form: FormCast, Exchange: "x", RoutingKey: "k", Method: "m", Size: 7, Queue: queue}
	}
	other := at(2, Published, "")
	other.Size = 8
	redelivered := at(9, Delivered, "q")
	redelivered.Redelivered = true
	got, stats := observed(t,
		at(0, Delivered, "q"), // a backlog from before
		at(1, Published, ""), other, at(3, Published, ""),
		at(4, Delivered, "q"), at(5, Delivered, "r"), at(6, Delivered, "q"), at(7, Delivered, "r"), redelivered,
		at(10, Delivered, "q"),
		at(100_000, Published, ""), at(100_001, Delivered, "q"), // the others are long forgotten
	)
	checkShape(t, got)
	waits := map[int64]int64{}
	ids := got.byID()
	for _, s := range got.where(span.KindConsumer, "") {
		waits[(s.Start-t0)/1000] = (s.Start - ids[s.Parent].Start) / 1000
		if s.Parent != 0 {
			require.Equal(t, "guessed", tag(s, "calltap.parent"))
			require.Equal(t, ids[s.Parent].TraceID, s.TraceID)
		} else {
			waits[(s.Start-t0)/1000] = -1
		}
	}
	require.Equal(t, map[int64]int64{0: -1, 4: 3, 5: 4, 6: 3, 7: 4, 10: -1, 100_001: 1}, waits)
	require.EqualValues(t, 4, stats.Casts)
	require.EqualValues(t, 2, stats.OrphanDeliveries)
	require.EqualValues(t, 1, stats.Redelivered)
}

func TestUnroutableCasts(t *testing.T) {
	m := Message{Time: t0, Point: Published, Form: FormNotification, Exchange: "nova", Method: "m", ID: callID, Unroutable: true}
	got, stats := observed(t, m)
	require.Equal(t, "unroutable", got.one(t, span.KindProducer, "").Error)
	require.EqualValues(t, 1, stats.Unroutable)
	require.EqualValues(t, 1, stats.Notifications)
}

func TestAMirrorShowsRequestsOnlyAndNeverTimesOut(t *testing.T) {
	call, cast := call4(callID)[0], call4(callID)[0]
	call.OneSided, cast.OneSided, cast.Form, cast.ReplyTo = true, true, FormCast, ""
	end := Message{Time: t0 + int64(time.Hour/time.Microsecond), Point: Published, Form: FormHeartbeat}
	got, stats := observed(t, call, call, cast, end)
	require.Len(t, got, 2)
	for _, s := range got {
		require.Zero(t, s.Duration)
		require.Empty(t, s.Error)
		require.Equal(t, "mirror", tag(s, "calltap.mode"))
	}
	require.Equal(t, span.KindClient, got[0].Kind)
	require.Equal(t, span.KindProducer, got[1].Kind)
	require.Zero(t, stats.Timeouts+stats.Incomplete)
	require.EqualValues(t, 1, stats.Duplicates)
}

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

func TestAFloodOfOpenCallsGivesUpTheOldest(t *testing.T) {
	const limit, n = 100, 1000
	var all []Message
	for i := range n {
		all = append(all, call4(fmt.Sprintf("call-number-%012d", i))[:2]...)
	}
	got, stats := replay(t, newTracer(t, nil), PairerOptions{MaxOpen: limit}, all)
	require.EqualValues(t, n-limit, stats.Evicted)
	require.Len(t, got, 2*n, "each half is emitted as it is")
	require.EqualValues(t, 2*n, stats.Incomplete)
}

func TestAFloodOfTracesAndProcessesIsBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{MaxOpen: 50, MaxProcesses: 64})
	for i := range 5000 {
		m := Message{
			Time: t0 + int64(i), Point: Published + Point(i%2), Form: FormCast, ID: fmt.Sprintf("cast-%020d", i/2),
			Connection: fmt.Sprint("c", i), Queue: "q", Topic: fmt.Sprint("t", i), Method: fmt.Sprint("m", i),
			RequestID: string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1})),
		}
		p.Observe(tracer, &m)
		require.LessOrEqual(t, len(p.traces.byID), 50)
		require.LessOrEqual(t, len(p.casts.byKey), 50)
		require.LessOrEqual(t, len(p.processes.nodes), 64)
		require.LessOrEqual(t, len(p.processes.byKey), 64)
	}
	require.LessOrEqual(t, len(p.routes), maxRoutes)
	require.NotZero(t, p.Stats().Forgotten)
	p.Flush(tracer, t0)
	require.Zero(t, p.Stats().Traces)
}

func TestManyWorksOfOneTraceAreBounded(t *testing.T) {
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	for i := range 500 {
		for _, m := range call4(fmt.Sprintf("call-number-%012d", i))[:2] {
			p.Observe(tracer, &m)
		}
	}
	for _, tr := range p.traces.byID {
		require.Equal(t, maxActivities, tr.works)
	}
	p.Flush(tracer, t0)
	require.Zero(t, len(p.traces.byID))
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
		tracer.Ratio = 0.5
		http := tracer.StartServer(Context{Decision: decision}, true, "", false, "nova-api")
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

// The messages' strings point into a buffer that the source uses again.
func TestNothingIsKeptOfAMessagesBuffer(t *testing.T) {
	want, _ := observed(t, call4(callID)...)
	tracer := newTracer(t, nil)
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(PairerOptions{})
	for _, m := range call4(callID) {
		var buf []byte
		for _, s := range []*string{
			&m.Dialect, &m.VHost, &m.Exchange, &m.RoutingKey, &m.Queue, &m.Connection, &m.ReplyTo, &m.ID, &m.Topic,
			&m.Method, &m.GlobalRequestID, &m.RequestID, &m.UserID, &m.ProjectID, &m.Error,
		} {
			*s = unsafeString(&buf, *s)
		}
		p.Observe(tracer, &m)
		for i := range buf[:cap(buf)] {
			buf[:cap(buf)][i] = '#'
		}
	}
	p.Flush(tracer, t0)
	require.Equal(t, want, spans(sink.spans))
}

func TestHostileMessagesAreCountedNotKept(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	m := call4(long)[0]
	m.Method, m.Topic, m.Exchange, m.UserID, m.Queue = long, long, long, long, long
	got, _ := observed(t, m)
	for _, s := range got {
		for _, tag := range s.Tags {
			require.LessOrEqual(t, len(tag.Value), maxText)
			require.NotContains(t, tag.Value, "\ufffd")
			require.Equal(t, strings.ToValidUTF8(tag.Value, "?"), tag.Value)
		}
		require.LessOrEqual(t, len(s.Local.Service), maxText)
	}
	_, stats := observed(t,
		Message{}, Message{Time: t0}, Message{Time: t0, Point: Published}, Message{Time: -1, Point: Published, Form: FormCall},
		Message{Time: 1 << 62, Point: Published, Form: FormCast}, Message{Time: t0, Point: 9, Form: FormCast},
		Message{Time: t0, Point: Published, Form: 99}, Message{Time: t0, Point: Published, Form: FormCall},
	)
	require.EqualValues(t, 8, stats.Invalid)
}

// One recorded message with a clock gone wild must not end the calls that come after it.
func TestAClockThatJumpsEndsOnlyWhatIsOpen(t *testing.T) {
	wild := Message{Time: t0 + int64(30*24*time.Hour/time.Microsecond), Point: Published, Form: FormHeartbeat}
	got, stats := observed(t, append([]Message{wild}, call4(callID)...)...)
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration)
	require.Zero(t, stats.Timeouts)
}

func TestAHundredThousandOpenCallsFitTheirMemory(t *testing.T) {
	const n = 100_000
	tracer := newTracer(t, &nothing{})
	p := NewPairer(PairerOptions{})
	before := heap()
	for i := range n {
		for _, m := range call4(fmt.Sprintf("%032x", i))[:2] {
			m.RequestID = string(AppendRequestID(nil, span.TraceID{High: 1, Low: uint64(i) + 1}))
			m.Connection = fmt.Sprint("connection ", i%1000)
			m.Time = t0 + int64(i)
			p.Observe(tracer, &m)
		}
	}
	used := heap() - before
	require.EqualValues(t, n, p.Stats().Open)
	t.Logf("%d bytes an open call", used/n)
	require.Less(t, used, int64(64<<20))
	p.Flush(tracer, t0)
	require.Zero(t, p.Stats().Open)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
