// Package span holds what flows from the builders to the emitters: one finished span.
//
// It is pure data, imported by both sides so that neither knows the other. The fields are those of
// Zipkin's v2 model (https://zipkin.io/zipkin-api/), flat and copied by value, because a map and
// three pointers a span, as in zipkin-go's model.SpanModel, cost more than the rest of the hot path.
package span
