package spanbuilder

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

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
	redelivered.Redelivered, redelivered.Time = true, t0+2500
	got, stats := observed(t, append(all, all[0], all[1], redelivered)...)
	require.Len(t, got, 4)
	producer := got.one(t, span.KindProducer, "update")
	require.Zero(t, producer.Duration)
	require.Equal(t, []span.Note{{Time: t0, Value: "sent"}}, producer.Notes)
	require.Equal(t, "prod", tag(producer, "amqp.vhost"))
	for i, c := range got.where(span.KindConsumer, "update") {
		require.Equal(t, producer.ID, c.Parent)
		require.Equal(t, producer.TraceID, c.TraceID)
		notes := []span.Note{{Time: c.Start, Value: "received"}}
		if i == 0 {
			notes = append(notes, span.Note{Time: t0 + 2500, Value: "redelivered"})
			require.Equal(t, "true", tag(c, "redelivered"))
		}
		require.Equal(t, notes, c.Notes)
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

func TestACastThatNobodyTakesIsCounted(t *testing.T) {
	cast := func(id string, point Point, after int64) Message {
		return Message{Time: t0 + after, Point: point, Form: FormCast, Exchange: "nova", Method: "m", ID: id, Queue: "q"}
	}
	unroutable := cast("cccccccccccccccccccccccccccccccc", Published, 3)
	unroutable.Unroutable = true
	_, stats := observed(t, cast(callID, Published, 0), cast("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", Published, 1),
		cast(callID, Delivered, 2), unroutable, cast("", Published, 4), cast("", Delivered, 5),
		cast("dddddddddddddddddddddddddddddddd", Published, 61_000_000)) // which may be taken yet
	require.EqualValues(t, 1, stats.Undelivered)
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
