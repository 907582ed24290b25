package spanbuilder

import "sync/atomic"

// PairerStats are a Pairer's counts since its start, and what it holds now.
type PairerStats struct {
	Open   int64 `json:"open"`   // calls that await their reply, now
	Traces int64 `json:"traces"` // traces with something open, now

	Calls         int64 `json:"calls"` // requests that expect a reply
	Casts         int64 `json:"casts"` // one-way messages to one receiver, by publish
	Fanouts       int64 `json:"fanouts"`
	Notifications int64 `json:"notifications"`
	Replies       int64 `json:"replies"`    // replies published, of known calls
	Heartbeats    int64 `json:"heartbeats"` // "still working" messages, which end nothing
	Spans         int64 `json:"spans"`      // offered
	Ignored       int64 `json:"ignored"`    // spans not made because a rule says so

	Timeouts     int64 `json:"timeouts"`
	Late         int64 `json:"late"` // replies after the timeout
	Unroutable   int64 `json:"unroutable"`
	Redelivered  int64 `json:"redelivered"`
	Duplicates   int64 `json:"duplicates"`    // messages seen before at the same point
	Undelivered  int64 `json:"undelivered"`   // calls that nobody took until their timeout, one-way messages within a minute
	DeadLettered int64 `json:"dead_lettered"` // deliveries of messages that the broker moved to another queue
	ExtraReplies int64 `json:"extra_replies"` // replies to a call that had one
	Incomplete   int64 `json:"incomplete"`    // spans emitted without their end
	Evicted      int64 `json:"evicted"`       // calls given up because the table was full
	Superseded   int64 `json:"superseded"`    // calls whose id was used again before they were answered
	Forgotten    int64 `json:"forgotten"`     // casts, traces and processes dropped because a table was full
	Invalid      int64 `json:"invalid"`       // messages without time, point, form or identity

	// Orphans are messages whose counterpart was never seen: lost by the broker's drop-head, or from before the start.
	OrphanReplies    int64 `json:"orphan_replies"`    // a reply without its request
	OrphanDeliveries int64 `json:"orphan_deliveries"` // a delivery without its publish
	LostDeliveries   int64 `json:"lost_deliveries"`   // an answered request whose delivery was not seen
	LostReplies      int64 `json:"lost_replies"`      // an answer seen at one of its two points only

	GuessedParents int64 `json:"guessed_parents"` // tagged calltap.parent=guessed
	Adopted        int64 `json:"adopted"`         // messages with a foreign or no id that joined their sender's trace
	Unlinked       int64 `json:"unlinked"`        // requests that told no trace and got one of their own
	Conflicts      int64 `json:"conflicts"`       // connection names that changed hands

	Held         int64 `json:"held"`           // spans that wait for their work's end, or for an HTTP response, now
	AfterEnd     int64 `json:"after_end"`      // messages and replies caused by one-way work whose inferred end had been told
	EndsGivenUp  int64 `json:"ends_given_up"`  // ends not inferred because too many spans were held
	Joined       int64 `json:"joined"`         // traces that an HTTP response's request id joined to its request
	JoinsGivenUp int64 `json:"joins_given_up"` // traces emitted early because too many spans were held
}

type counters struct {
	open, traces                                              atomic.Int64
	calls, casts, fanouts, notifications, replies, heartbeats atomic.Int64
	spans, ignored, timeouts, late, unroutable, redelivered   atomic.Int64
	duplicates, incomplete, evicted, superseded, forgotten    atomic.Int64
	invalid, orphanReplies, orphanDeliveries, lostDeliveries  atomic.Int64
	lostReplies, guessedParents, adopted, unlinked, conflicts atomic.Int64
	undelivered, deadLettered, extraReplies                   atomic.Int64
	held, afterEnd, endsGivenUp, joined, joinsGivenUp         atomic.Int64
}

// Stats returns the counts. It alone may be called from another goroutine.
func (p *Pairer) Stats() PairerStats {
	c := &p.count
	return PairerStats{
		Open: c.open.Load(), Traces: c.traces.Load(),
		Calls: c.calls.Load(), Casts: c.casts.Load(), Fanouts: c.fanouts.Load(),
		Notifications: c.notifications.Load(), Replies: c.replies.Load(), Heartbeats: c.heartbeats.Load(),
		Spans: c.spans.Load(), Ignored: c.ignored.Load(),
		Timeouts: c.timeouts.Load(), Late: c.late.Load(), Unroutable: c.unroutable.Load(),
		Redelivered: c.redelivered.Load(), Duplicates: c.duplicates.Load(), Incomplete: c.incomplete.Load(),
		Evicted: c.evicted.Load(), Superseded: c.superseded.Load(), Forgotten: c.forgotten.Load(),
		Invalid: c.invalid.Load(), OrphanReplies: c.orphanReplies.Load(),
		OrphanDeliveries: c.orphanDeliveries.Load(), LostDeliveries: c.lostDeliveries.Load(),
		LostReplies: c.lostReplies.Load(), GuessedParents: c.guessedParents.Load(),
		Undelivered: c.undelivered.Load(), DeadLettered: c.deadLettered.Load(), ExtraReplies: c.extraReplies.Load(),
		Adopted: c.adopted.Load(), Unlinked: c.unlinked.Load(), Conflicts: c.conflicts.Load(),
		Held: c.held.Load(), AfterEnd: c.afterEnd.Load(), EndsGivenUp: c.endsGivenUp.Load(),
		Joined: c.joined.Load(), JoinsGivenUp: c.joinsGivenUp.Load(),
	}
}
