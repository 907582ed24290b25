package spanbuilder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
