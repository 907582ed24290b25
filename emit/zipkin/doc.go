// Package zipkin sends spans to a Zipkin server, or to whatever else takes Zipkin's v2 JSON (Jaeger,
// the OpenTelemetry Collector), by POST to /api/v2/spans.
//
//	batch ──► encode: ≤ 1,000 spans, ≤ 1 MiB ──► gzip? ──► POST ──► 2xx        emitted
//	                                                ▲       ├─────► other 4xx   dropped{rejected}
//	                                                │       └─────► no answer, 408, 429, 5xx
//	                                                └── back-off ◄──────┘
//
// # Failure behaviour
//
// A POST that fails for a reason that may pass is repeated until it succeeds or the pipeline is
// closed, with exponential back-off and jitter, and not before the server's Retry-After. Meanwhile
// new spans wait in the pipeline's queue for this emitter, which drops the oldest when it is full
// (dropped{queue_full}); no other emitter waits. What the server refuses for good is dropped{rejected}
// at once: it would be refused again. A redirect is such a refusal, since following it would send the
// operator's spans to an address that the operator did not write. A batch that the end of the
// pipeline cuts off is dropped{shutdown}; a server may have stored it already if only its answer was
// late, so that a repeated POST can store spans twice, which Zipkin shows once.
//
// Nothing is dialled before the first batch. Errors name the server as scheme://host, never its user,
// password, path or query.
package zipkin
