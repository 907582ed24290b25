package main

import "encoding/binary"

// otlpSpans counts the spans of an ExportTraceServiceRequest (opentelemetry-proto,
// collector/trace/v1): resource_spans = 1 { scope_spans = 2 { spans = 2 } }. Counting needs no
// decoded message, and decoding one would charge the rig's CPU to Caddy's own tracing.
func otlpSpans(body []byte) int {
	n := 0
	eachMessage(body, 1, func(resource []byte) {
		eachMessage(resource, 2, func(scope []byte) {
			eachMessage(scope, 2, func([]byte) { n++ })
		})
	})
	return n
}

// eachMessage calls f for every length-delimited field of the given number. It ends at the first
// byte that is no protobuf.
func eachMessage(b []byte, field uint64, f func([]byte)) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return
		}
		b = b[n:]
		size := 0
		switch tag & 7 {
		case 0:
			_, size = binary.Uvarint(b)
			if size <= 0 {
				return
			}
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			length, n := binary.Uvarint(b)
			if n <= 0 || length > uint64(len(b)-n) {
				return
			}
			b = b[n:]
			size = int(length)
			if tag>>3 == field {
				f(b[:size])
			}
		default:
			return
		}
		if size > len(b) {
			return
		}
		b = b[size:]
	}
}
