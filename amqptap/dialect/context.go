package dialect

import (
	"strconv"
	"time"

	"github.com/calltap/calltap/spanbuilder"
)

// contextOf reads the trace context in a message's AMQP headers, in any of the forms that
// spanbuilder knows, and what was wrong with the first bad one.
func contextOf(p *Properties) (spanbuilder.Context, spanbuilder.Fault) {
	if p.Headers == nil {
		return spanbuilder.Context{}, spanbuilder.NoFault
	}
	c, _, fault := spanbuilder.ExtractFunc(func(name string) (string, bool) {
		v := headerFold(p.Headers, name)
		return v, v != ""
	})
	if !c.TraceID.IsZero() {
		return c, fault
	}
	for _, name := range [...]string{"uber-trace-id", "MT-Activity-Id"} {
		v := p.Headers.Header(name)
		if v == "" {
			continue
		}
		other, f := contextParser(name)(v)
		if f == spanbuilder.NoFault {
			return other, fault
		}
		if fault == spanbuilder.NoFault {
			fault = f
		}
	}
	return c, fault
}

// contextParser is what reads a trace context that stands in one value, by the value's name, nil for any other name.
func contextParser(name string) func(string) (spanbuilder.Context, spanbuilder.Fault) {
	switch name {
	case "traceparent":
		return spanbuilder.ParseTraceparent
	case "b3":
		return spanbuilder.ParseB3
	case "uber-trace-id":
		return spanbuilder.ParseUberTraceID
	case "MT-Activity-Id":
		return spanbuilder.ParseActivityID
	}
	return nil
}

// headerFold looks a trace header up by its lower-case name and by the spelling of the B3
// specification. Unlike HTTP's, AMQP's header names tell upper from lower case.
func headerFold(h Headers, name string) string {
	if v := h.Header(name); v != "" {
		return v
	}
	switch name {
	case "x-b3-traceid":
		return h.Header("X-B3-TraceId")
	case "x-b3-spanid":
		return h.Header("X-B3-SpanId")
	case "x-b3-sampled":
		return h.Header("X-B3-Sampled")
	case "x-b3-flags":
		return h.Header("X-B3-Flags")
	}
	return ""
}

// maxTimeout bounds what a message may claim. RabbitMQ itself takes up to 2^32 ms.
const maxTimeout = 7 * 24 * time.Hour

// expiration reads the AMQP property of that name, milliseconds in decimal; 0 is none or nonsense.
// Clients set it to the time that they are going to wait for the reply.
func expiration(s string) time.Duration {
	if s == "" || len(s) > 18 {
		return 0
	}
	ms, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return min(time.Duration(min(ms, uint64(maxTimeout/time.Millisecond)))*time.Millisecond, maxTimeout)
}
