// Package spanbuilder turns what was seen into spans: it gives HTTP requests their place in a trace, and makes one
// trace of the RPC messages that follow from them.
//
// What enters: trace headers and request ids of HTTP requests (Contexts, Tracer.StartServer), and messages that a
// source saw on its broker, decoded by a dialect (Message, Pairer.Observe). What leaves: finished spans, offered
// to a Sink. It does no I/O, reads no clock and starts no goroutine; it knows neither Caddy nor AMQP.
//
//	HTTP request ─► Contexts ─► StartServer ─► ids, headers for the next hop
//	                                │
//	                              Links          the entry span of each recent trace
//	                                │
//	message ─► Pairer.Observe ─► locate ─► which trace? ──► link.go, tree.go, contexts.go
//	               │             cause ──► whose work?  ──► activity.go, worklog.go; who is who: process.go, identify.go
//	               ▼
//	        calls by (vhost, reply address, id), casts by (vhost, id) ─► spans.go, names.go ─┬─► castend.go ─┬─► Sink
//	        pairing.go, again.go, settle.go     oneway.go                          └─► join.go ────┘
//
// A call gives two spans, as settle.go draws; a one-way message gives one PRODUCER span, a moment, and one CONSUMER span a
// delivery, which castend.go holds until its work has ended. join.go holds spans whose trace an HTTP response is yet to name. Span ids are hashes of the message's own identity: a replay makes the same ids again, and two processes
// that each saw one half agree. The root span's id is the low half of the trace id, so that whoever knows the trace, knows
// the root. docs/traces.md tells it to users.
//
// # Failure behaviour
//
// Nothing here blocks, panics or grows without bound, whatever the messages say. Each loss is counted in PairerStats:
//
//   - A message lost before it came here (the broker drops the oldest when the tap is slow): its call gives the spans
//     that can still be told, after Reorder or at its timeout. Orphan*, Lost*, Incomplete.
//   - A table full: of whoever holds most, the oldest call is emitted without its end (Evicted); a trace, cast, process or
//     request id that was not used lately is forgotten (Forgotten), and later messages of it find no RPC parent but hang below
//     the HTTP span.
//   - A message twice: the second is noted at most (Duplicates, Redelivered, DeadLettered, ExtraReplies).
//   - Messages without an id: told apart by their order, the span says so (calltap.pairing, calltap.parent).
//   - Too many spans held: the oldest are emitted without what they wait for (EndsGivenUp, JoinsGivenUp). Work that goes on after
//     its end was told: AfterEnd.
//   - A parent that is likely but not certain: the span says calltap.parent=guessed (GuessedParents).
//   - Trace headers that are malformed: as if there were none; Contexts.Extract and ExtractFunc tell the reason for counting.
package spanbuilder
