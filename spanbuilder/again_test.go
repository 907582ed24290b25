package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// notes gives the notes of a span as words, in order.
func notes(s span.Span) (words []string) {
	for _, n := range s.Notes {
		words = append(words, n.Value)
	}
	return words
}

func later(after time.Duration) Message {
	return Message{Time: t0 + after.Microseconds(), Point: Published, Form: FormNotification, ID: "another-unique-identity", Method: "later"}
}

func TestARedeliveryIsNotedAtItsMoment(t *testing.T) {
	in := call4(callID)
	again := in[1]
	again.Redelivered, again.Time, again.Connection = true, t0+5000, "other worker in"
	got, _ := observed(t, in[0], in[1], again, in[2], in[3])
	require.Equal(t, []span.Note{{Time: t0 + 5000, Value: "redelivered"}}, got.one(t, span.KindServer, "").Notes)
	require.Empty(t, got.one(t, span.KindClient, "").Notes, "the caller knows nothing of it")
}

// A request whose first consumer rejects it comes out of the dead-letter queue while the call is open.
func TestADeadLetteredRequestBelongsToItsCall(t *testing.T) {
	in := call4(callID)
	dead := in[1]
	dead.Time, dead.Queue, dead.Connection = t0+5000, "retry", "retrier in"
	dead.DeadReason, dead.DeadQueue = "rejected", "compute.host1"
	got, stats := observed(t, in[0], in[1], dead, in[2], in[3])
	require.Len(t, got, 2)
	client, server := got.one(t, span.KindClient, ""), got.one(t, span.KindServer, "")
	require.EqualValues(t, 13_000, client.Duration)
	require.Empty(t, client.Error)
	require.Empty(t, tag(client, "rpc.dead_letter"))
	require.Equal(t, "rejected", tag(server, "rpc.dead_letter"))
	require.Equal(t, "compute.host1", tag(server, "rpc.dead_letter.queue"))
	require.Equal(t, []span.Note{{Time: t0 + 5000, Value: "dead_lettered"}}, server.Notes)
	require.EqualValues(t, 1, stats.DeadLettered)
	require.Zero(t, stats.Duplicates+stats.Redelivered)
}

// Expired in its queue, it is first delivered elsewhere: that is who serves it, and the caller's time goes on.
func TestADeadLetterThatNobodyHadTakenIsServedWhereItWent(t *testing.T) {
	in := call4(callID)
	in[1].DeadReason, in[1].DeadQueue, in[1].Queue = "expired", "compute.host1", "parked"
	got, stats := observed(t, in[0], in[1], later(time.Hour))
	require.Equal(t, "timeout", got.one(t, span.KindClient, "reboot").Error)
	server := got.one(t, span.KindServer, "reboot")
	require.Equal(t, "expired", tag(server, "rpc.dead_letter"))
	require.Equal(t, "parked", tag(server, "amqp.queue"))
	require.EqualValues(t, 1, stats.DeadLettered)
}

// A call expires when its caller gives up, so its dead letter is seen when the call is over.
func TestADeadLetterAfterTheTimeoutHangsBelowTheCall(t *testing.T) {
	in := call4(callID)
	dead := in[1]
	dead.Time, dead.Queue = t0+10_000_500, "parked"
	dead.DeadReason, dead.DeadQueue = "expired", "compute.host1"
	got, stats := observed(t, in[0], dead, later(time.Hour))
	client := got.one(t, span.KindClient, "reboot")
	require.Equal(t, "timeout", client.Error)
	require.Equal(t, "true", tag(client, "rpc.undelivered"))
	parked := got.one(t, span.KindConsumer, "reboot")
	require.Equal(t, client.ID, parked.Parent)
	require.Equal(t, client.TraceID, parked.TraceID)
	require.Equal(t, "expired", tag(parked, "rpc.dead_letter"))
	require.Equal(t, []string{"received", "dead_lettered"}, notes(parked))
	require.True(t, parked.Echo, "the call was counted")
	require.EqualValues(t, 1, stats.DeadLettered)
	require.EqualValues(t, 1, stats.Undelivered)
	require.Zero(t, stats.OrphanDeliveries)
}

func TestADeadLetteredCastIsAnotherDelivery(t *testing.T) {
	sent := Message{
		Time: t0, Point: Published, Form: FormCast, Dialect: "oslo", Exchange: "nova", RoutingKey: "compute", Topic: "compute",
		Method: "boot", ID: callID, Connection: "a",
	}
	first := sent
	first.Point, first.Time, first.Queue, first.Connection = Delivered, t0+1000, "compute", "b"
	dead := first
	dead.Time, dead.Queue, dead.DeadReason, dead.DeadQueue = t0+2000, "parked", "rejected", "compute"
	retried := first // from there, by a time to live, back to where it came from
	retried.Time, retried.DeadReason, retried.DeadQueue = t0+9000, "expired", "parked"
	got, stats := observed(t, sent, first, dead, retried)
	checkShape(t, got)
	producer := got.one(t, span.KindProducer, "boot")
	all := got.where(span.KindConsumer, "boot")
	require.Len(t, all, 3)
	for i, want := range []string{"", "rejected", "expired"} {
		require.Equal(t, producer.ID, all[i].Parent)
		require.Equal(t, want, tag(all[i], "rpc.dead_letter"))
		require.True(t, all[i].Echo)
	}
	require.False(t, producer.Echo)
	require.EqualValues(t, 2, stats.DeadLettered)
	require.EqualValues(t, 1, stats.Casts)
}

func TestTheFirstReplyEndsACallAndFurtherOnesAreCounted(t *testing.T) {
	in := call4(callID)
	second := []Message{in[2], in[3]}
	second[0].Time, second[1].Time = t0+12_000, t0+12_500
	got, stats := observed(t, in[0], in[1], in[2], second[0], in[3], second[1])
	require.Len(t, got, 2)
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration)
	require.EqualValues(t, 10_000, got.one(t, span.KindServer, "").Duration)
	require.EqualValues(t, 1, stats.ExtraReplies)
	require.EqualValues(t, 1, stats.Replies)

	third := in[2]
	third.Time = t0 + 20_000
	got, stats = observed(t, append(in, third)...)
	require.Len(t, got, 2)
	require.EqualValues(t, 1, stats.ExtraReplies, "one that comes when the call is over")
	require.Zero(t, stats.OrphanReplies+stats.Duplicates+stats.Late)
}

func TestHeartbeatsAreCountedOnTheCall(t *testing.T) {
	in := call4(callID)
	var all []Message
	all = append(all, in[0], in[1])
	for i := range 3 {
		beat := in[2]
		beat.Form, beat.Time = FormHeartbeat, t0+2000+int64(i)*1000
		seen := beat
		seen.Point, seen.Connection = Delivered, "caller in"
		all = append(all, beat, seen)
	}
	got, stats := observed(t, append(all, in[2], in[3])...)
	server := got.one(t, span.KindServer, "")
	require.Equal(t, "3", tag(server, "rpc.heartbeats"))
	require.Equal(t, []span.Note{{Time: t0 + 4000, Value: "heartbeat"}}, server.Notes)
	require.EqualValues(t, 6, stats.Heartbeats)
	require.EqualValues(t, 1, stats.Replies)
}

func TestALateReplyIsNotedAndOneAfterTheCallIsCounted(t *testing.T) {
	in := call4(callID)
	in[2].Time, in[3].Time = t0+15_000_000, t0+15_001_000
	got, _ := observed(t, in...)
	require.Equal(t, []span.Note{{Time: t0 + 15_000_000, Value: "late"}}, got.one(t, span.KindServer, "").Notes)

	in[2].Time, in[3].Time = t0+200_000_000, t0+200_001_000
	got, stats := observed(t, in...)
	require.Equal(t, "true", tag(got.one(t, span.KindServer, ""), "calltap.incomplete"))
	require.EqualValues(t, 1, stats.Late)
	require.Zero(t, stats.OrphanReplies)
}

// Celery names a reply address for every task, but without a result backend nothing ever comes there.
func TestACallThatMayNotBeAnsweredIsNoTimeout(t *testing.T) {
	in := call4(callID)[:2]
	in[0].MayNotReply, in[1].MayNotReply = true, true
	got, stats := observed(t, append(in, later(time.Hour))...)
	client, server := got.one(t, span.KindClient, "reboot"), got.one(t, span.KindServer, "reboot")
	for _, s := range []span.Span{client, server} {
		require.Empty(t, s.Error)
		require.Zero(t, s.Duration)
		require.Empty(t, tag(s, "calltap.incomplete"))
	}
	require.Equal(t, "none", tag(client, "rpc.reply"))
	require.Zero(t, stats.Timeouts+stats.Incomplete)
	require.Zero(t, stats.Open)

	replied := call4(callID)
	replied[0].MayNotReply, replied[1].MayNotReply = true, true
	got, _ = observed(t, replied...)
	require.EqualValues(t, 13_000, got.one(t, span.KindClient, "").Duration, "with a backend it is a call like any other")

	replied[2].Time, replied[3].Time = t0+15_000_000, t0+15_001_000
	got, stats = observed(t, replied...)
	require.EqualValues(t, 14_999_000, got.one(t, span.KindServer, "").Duration)
	require.Empty(t, notes(got.one(t, span.KindServer, "")), "nobody waited for it, so it was not late")
	require.Zero(t, stats.Late)
}

// The end of work that is never answered is inferred like that of a one-way message's.
func TestWorkThatIsNeverAnsweredEndsWithWhatItCaused(t *testing.T) {
	task := call4(callID)[:2]
	task[0].MayNotReply, task[1].MayNotReply = true, true
	inner := shift(call4("cccccccccccccccccccccccccccccccc"), 30*time.Second)
	for i := range inner {
		inner[i].ReplyTo, inner[i].RoutingKey, inner[i].Topic = "reply_worker", "conductor", "conductor"
	}
	inner[0].Connection, inner[3].Connection, inner[1].Connection, inner[2].Connection = "worker in", "worker in", "db in", "db out"
	got, _ := observed(t, append(append(task, inner...), later(time.Hour))...)
	server := got.where(span.KindServer, "reboot")
	require.Len(t, server, 2)
	for _, s := range server {
		if tag(s, "amqp.routing_key") == "compute.host1" {
			require.Equal(t, "inferred", tag(s, endTag))
			require.Equal(t, inner[3].Time, s.Start+s.Duration)
			require.Equal(t, s.ID, got.where(span.KindClient, "")[1].Parent)
		}
	}
}
