package spanbuilder

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// moment is one way in which a point of a call may be seen.
type moment int

const (
	seen moment = iota
	lost
	twice
	fates
)

// Whatever order the four messages of a call come in, whichever are lost, come twice or late: there is at most one span of each
// side, with the same ids and the same time wherever the points that make it were seen; and what is missing is counted.
func TestAllOrdersLossesDuplicatesAndDelaysOfACall(t *testing.T) {
	whole, _ := observed(t, call4(callID)...)
	tracer := newTracer(t, nil)
	want := map[span.Kind]span.Span{}
	for _, s := range whole {
		want[s.Kind] = s
	}
	for _, late := range []bool{false, true} {
		for fate := range 3 * 3 * 3 * 3 {
			permute(4, func(order []int) {
				c := orderedCall{late: late}
				for i, f := 0, fate; i < 4; i, f = i+1, f/int(fates) {
					c.fates[i] = moment(f % int(fates))
				}
				c.check(t, tracer, order, want)
			})
		}
	}
}

type orderedCall struct {
	fates [4]moment
	late  bool // the reply comes after the timeout
}

func (c *orderedCall) String() string { return fmt.Sprintf("%v late %v", c.fates, c.late) }

func (c *orderedCall) seen(point int) bool { return c.fates[point] != lost }

// messages are those that are seen, in that order; a late reply cannot come before the request.
func (c *orderedCall) messages(order []int) (all []Message) {
	in := call4(callID)
	if c.late {
		in[2].Time, in[3].Time = t0+15_000_000, t0+15_001_000
		order = slices.Clone(order)
		slices.SortStableFunc(order, func(a, b int) int { return a/2 - b/2 })
	}
	for _, i := range order {
		switch c.fates[i] {
		case twice:
			all = append(all, in[i], in[i])
		case seen:
			all = append(all, in[i])
		}
	}
	return all
}

func (c *orderedCall) check(t *testing.T, tracer *Tracer, order []int, want map[span.Kind]span.Span) {
	all := c.messages(order)
	end := Message{Time: t0 + time.Hour.Microseconds(), Point: Published, Form: FormHeartbeat}
	got, stats := replay(t, tracer, PairerOptions{}, append(all, end))
	context := fmt.Sprintf("%v in the order %v", c, order)
	clients, servers := got.where(span.KindClient, ""), got.where(span.KindServer, "")
	require.Len(t, got, len(clients)+len(servers), context)
	require.LessOrEqual(t, len(clients), 1, context)
	require.LessOrEqual(t, len(servers), 1, context)
	require.Equal(t, c.seen(requestPublished), len(clients) == 1, context)
	require.Equal(t, c.seen(requestDelivered), len(servers) == 1, context)

	for _, s := range got {
		require.Equal(t, want[s.Kind].ID, s.ID, context)
		require.Equal(t, want[s.Kind].Start, s.Start, context)
		require.Equal(t, want[s.Kind].TraceID, s.TraceID, context)
	}
	for _, s := range clients {
		switch {
		case c.late || !c.seen(replyDelivered) && !c.seen(replyPublished):
			require.Equal(t, "timeout", s.Error, context)
			require.EqualValues(t, 10_000_000, s.Duration, context)
		case c.seen(replyDelivered):
			require.Equal(t, want[s.Kind].Duration, s.Duration, context)
		default:
			require.Equal(t, "true", tag(s, "calltap.incomplete"), context)
		}
	}
	for _, s := range servers {
		answered := c.seen(replyPublished)
		require.Equal(t, answered, s.Duration > 0, context)
		require.Equal(t, !answered, tag(s, "calltap.incomplete") != "", context)
		require.Equal(t, c.seen(requestPublished), s.Echo, context)
	}
	missing := stats.OrphanReplies + stats.OrphanDeliveries + stats.LostDeliveries + stats.LostReplies + stats.Incomplete + stats.Undelivered
	for point := range 4 {
		if !c.seen(point) && len(all) > 0 && !c.late {
			require.Positive(t, missing, context)
		}
	}
	if !c.late && c.fates == [4]moment{} {
		require.Zero(t, missing, context)
	}
	if c.fates[0] == twice || c.fates[1] == twice || c.fates[2] == twice {
		require.Positive(t, stats.Duplicates+stats.ExtraReplies, context)
	}
}
