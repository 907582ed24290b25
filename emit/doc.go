// Package emit carries finished spans from whoever made them to wherever they go, and keeps exact
// books of every one.
//
//	                      Pipeline                     │ one of these an emitter
//	           ┌────────────────────────────────┐      │
//	Offer ──►  │ shard 0   [ spans | spare ]    │      │  ┌───────────────┐  batch   ┌─────────┐
//	Offer ──►  │ shard 1   [ spans | spare ]    │ ─────┼─►│ bounded queue │ ───────► │ Emitter │ ──► Zipkin, StatsD, …
//	Offer ──►  │ …     swapped every 100 ms     │ copy │  └───────────────┘  worker  └─────────┘
//	           └────────────────────────────────┘ once │   oldest dropped first
//
// What enters is a span.Span, copied by value under a shard's mutex: no channel, no goroutine to
// wake, no allocation once the buffers have grown. What leaves is a batch of at most 1,000 spans,
// shared by all emitters and therefore never written while one of them has it; then its memory is
// used for another (batch.go). A span that was not sampled goes only to
// emitters that count (see MetricsEmitter), and one that was counted before only to the others.
//
// # Failure behaviour
//
// Offer never blocks beyond its shard's mutex, never panics and never fails its caller. Each emitter
// has its own queue and its own goroutine, so a slow, dead or panicking one is felt by no other. The
// memory of each is bounded by Options.MaxSpans and Options.MaxBytes. A span that is lost is counted,
// once for each emitter that would have got it, under one of these reasons:
//
//	invalid      it would poison a whole batch: see span.Span.Valid
//	queue_full   the emitter does not keep up; the oldest waiting span made room
//	closed       offered after Close
//	shutdown     not sent before the deadline of Close
//	panic        the emitter panicked while it had the span
//	unaccounted  the emitter did not say what became of it
//
// and those of the emitter itself (rejected, unresolved, refused, write, …). At any moment, for each
// emitter and for the sums,
//
//	accepted = emitted + queued + Σ dropped{reason}
//
// where accepted counts from Offer on, and queued is counted, not calculated: what lies in the
// shards, in the queue and in the emitter's hands (see Status).
package emit
