// Package store keeps the most recent traces in memory and serves them by Zipkin's v2 read API, so
// that a trace can be looked at where no Zipkin runs.
//
//	batch ──► record (bytes) ──► trace ─┐            ┌─► search ─► /traces /trace/{id} /traceMany
//	                             trace ─┼─ snapshot ─┼─► names ──► /services /spans /remoteServices
//	         oldest leaves ◄──── trace ─┘            └─► links ──► /dependencies
//
// A span is kept as a compact record in one byte slice a trace: the garbage collector does not look
// into it, the memory is exactly known, and no string of a request is kept alive. There are no
// indexes; a query takes a snapshot of the slices, which only ever grow at their end, and reads them
// all, at some millions of spans a second, without holding up the emitter.
//
// What is served is what Zipkin would serve had it got the same spans: names and services in lower
// case, tags by key, annotations by time, the same parameters, defaults, limits and error texts
// (zipkin-server 3.5, in-memory storage, STRICT_TRACE_ID). There are two differences: the 64-bit form
// of an id also finds a trace with a 128-bit id that ends in it, and no answer may be cached.
//
// # Failure behaviour
//
// The store never fails and, but for one case, drops nothing: when it is over its bounds, whole traces
// leave, the one that began to arrive first before the others; that is counted in Stats, not as a
// drop. A single trace may fill a tenth of the store; spans beyond are dropped{trace_full}.
//
// A Store outlives pipelines: Close does nothing, and several pipelines may emit to it at a time, so
// that traces survive a reload.
package store
