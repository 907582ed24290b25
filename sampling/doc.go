// Package sampling decides which traces are recorded. Metrics count every call whatever it says.
//
// What enters: the id of a trace, and later what became of its requests. What leaves: whether its spans go to tracers.
//
//	trace begins ─► Head ── share, rate ──► yes ──────────────────────────────────────────────────────► Sink
//	                  └── no, and something may be kept ─► Holder ─┬─ a reason: Keep ─► what was held ──► Sink
//	                                                               └─ none by its end ─► let go
//
// A share is decided by a hash of the trace id, so that every calltap of a system decides alike with no word
// between them. A rate is a token bucket of one process, so two of them differ. What a Head lets go may be kept for how it ends;
// then all of it that this process sees is kept, and nothing of what others saw: the headers that went on said no.
//
// # Failure behaviour
//
// Nothing here blocks or fails. A Holder is bounded in traces, spans, bytes and time; what there is no room for is
// the trace that was silent for longest, which is let go and counted (Stats.EvictedSpans). Of a trace that is kept after that, what
// comes later is recorded, and the part before is missing.
package sampling
