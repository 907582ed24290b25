package spanbuilder

import "github.com/calltap/calltap/span"

// Decision is what the caller said about sampling.
type Decision uint8

// The decisions that trace headers can carry.
const (
	Defer Decision = iota
	Deny
	Accept
	Debug
)

// Context is an inbound trace context, of an HTTP request or an AMQP message. Both ids are zero
// if the caller sent a decision alone (B3 allows "b3: 0").
type Context struct {
	TraceID  span.TraceID
	SpanID   span.ID // the caller's span; zero if only the trace is known
	Decision Decision
	Random   bool   // W3C's flag: who made the trace id says that it is random
	State    string // W3C tracestate, passed on unchanged
}

// Fault says what is wrong with a trace header. It is a number so that counting bad headers, which
// come from anyone, costs no allocation.
type Fault uint8

// The faults of trace headers.
const (
	NoFault       Fault = iota
	BadLength           // too long, too short, or a part of the wrong length
	BadVersion          // traceparent version ff, or not hex
	BadHex              // a character that is no (lower-case, in W3C) hex digit
	ZeroID              // an id of zeros, which both formats forbid
	BadDecision         // a sampling state that B3 does not know
	RepeatedField       // the header was sent more than once, so nobody knows which one is meant
	MissingID           // X-B3-TraceId without X-B3-SpanId, or the reverse
	BadPattern          // not written as its format is: a pickle of something else, a number that is none
	faultCount
)

// NumFaults is the number of Fault values, for arrays of counters.
const NumFaults = int(faultCount)

var faultNames = [NumFaults]string{
	"none", "length", "version", "hex", "zero_id", "decision", "repeated", "missing_id", "pattern",
}

// String returns a short word for metrics and status pages, such as "length".
func (f Fault) String() string {
	if int(f) >= NumFaults {
		return "unknown"
	}
	return faultNames[f]
}
