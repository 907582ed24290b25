// Package span holds what flows from the builders to the emitters: one finished span, the check
// that it may enter a pipeline, and its form on the wire.
//
//	builder ──► Span ──► Valid ──► (pipeline) ──► AppendJSON ──► Zipkin v2 JSON
//	                      │
//	                      └─► a reason: the span is stopped at the door and counted
//
// It is pure data, imported by both sides so that neither knows the other. The fields are those of
// Zipkin's v2 model (https://zipkin.io/zipkin-api/), flat and copied by value, because a map and
// three pointers a span, as in zipkin-go's model.SpanModel, cost more than the rest of the hot path.
//
// # Failure behaviour
//
// Strings in a span are foreign: a path, a header, an RPC method. AppendJSON cannot fail and always
// writes one well-formed JSON object, whatever their bytes; what is not UTF-8 becomes U+FFFD. What a
// collector would refuse for its numbers (a zero id, a time before 1970) is told by Valid and must
// not get this far: one such span would make Zipkin refuse the whole batch that carries it.
package span
