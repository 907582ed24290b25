package spanbuilder

import "fmt"

// Format is a way to write a trace context into the headers of an HTTP request.
type Format uint8

// The formats. Only FormatW3C, FormatB3 and FormatB3Multi are ever written.
const (
	NoFormat         Format = iota
	FormatW3C               // traceparent, tracestate
	FormatB3                // b3
	FormatB3Multi           // X-B3-TraceId and its like
	FormatTomograph         // X-Trace-Info, a pickle
	FormatOSProfiler        // X-Trace-Info and X-Trace-HMAC: read by package trigger, which has the keys
	FormatUber              // uber-trace-id, Jaeger's own
	FormatSW8               // sw8, SkyWalking's
	FormatDatadog           // x-datadog-*
	formatCount
)

// NumFormats is the number of Format values, for arrays of counters.
const NumFormats = int(formatCount)

var formatNames = [NumFormats]string{"none", "w3c", "b3", "b3_multi", "tomograph", "osprofiler", "uber", "sw8", "datadog"}

// String returns the format's word in a configuration and on the status page, such as "b3_multi".
func (f Format) String() string {
	if int(f) >= NumFormats {
		return "unknown"
	}
	return formatNames[f]
}

// ParseFormat reads the word of a format.
func ParseFormat(word string) (Format, error) {
	for f, name := range formatNames {
		if name == word && Format(f) != NoFormat {
			return Format(f), nil
		}
	}
	return NoFormat, fmt.Errorf("'%s' is no format of trace headers", word)
}

// Writable reports whether the format can be sent to the next hop.
func (f Format) Writable() bool { return f == FormatW3C || f == FormatB3 || f == FormatB3Multi }

// Present is a set of headers: bit i is the header headerNames[i].
type Present uint32

// The bits of headers that are asked for one by one.
const (
	hasTraceparent Present = 1 << iota
	hasTracestate
	hasB3
	hasB3TraceID
	hasB3SpanID
	hasB3Parent
	hasB3Sampled
	hasB3Flags
	hasTraceInfo
	hasTraceMAC
	hasUber
	hasSW8
	hasSW8More
	hasDatadogTrace
	hasDatadogParent
	hasDatadogPriority
	hasDatadogOrigin
	hasDatadogTags
	hasRequestID
)

// headerNames are the headers of all formats, as net/http spells them, in the order of the bits of Present. Baggage is not
// among them: baggage, uberctx-*, sw8-correlation and ot-baggage-* are the programs' own and pass untouched.
var headerNames = [...]string{
	"Traceparent", "Tracestate", "B3",
	"X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags",
	"X-Trace-Info", "X-Trace-Hmac", "Uber-Trace-Id", "Sw8", "Sw8-X",
	"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority", "X-Datadog-Origin", "X-Datadog-Tags",
	"X-Openstack-Request-Id",
}

// headersOf are all headers of a format, those included that only qualify a context.
var headersOf = [NumFormats]Present{
	FormatW3C:        hasTraceparent | hasTracestate,
	FormatB3:         hasB3,
	FormatB3Multi:    hasB3TraceID | hasB3SpanID | hasB3Parent | hasB3Sampled | hasB3Flags,
	FormatTomograph:  hasTraceInfo,
	FormatOSProfiler: hasTraceInfo | hasTraceMAC,
	FormatUber:       hasUber,
	FormatSW8:        hasSW8 | hasSW8More,
	FormatDatadog:    hasDatadogTrace | hasDatadogParent | hasDatadogPriority | hasDatadogOrigin | hasDatadogTags,
}

// alwaysWritten are the headers that who injects a format writes in any case.
var alwaysWritten = [NumFormats]Present{
	FormatW3C:     hasTraceparent,
	FormatB3:      hasB3,
	FormatB3Multi: hasB3TraceID | hasB3SpanID,
}
