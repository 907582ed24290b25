package spanbuilder

import (
	"strings"

	"github.com/calltap/calltap/span"
)

const maxDatadogTags = 512 // as long as Datadog's tracers make and take them

// readDatadog reads the headers x-datadog-* (ddtrace/propagation/http.py and its like in other languages):
//
//	x-datadog-trace-id            decimal, 64 bits
//	x-datadog-parent-id           decimal, 64 bits; 0 of a caller that has no span, as a synthetic test
//	x-datadog-sampling-priority   -1 or 0: drop, 1 or 2: keep; may be missing
//	x-datadog-tags                name=value,…: _dd.p.tid are the upper 64 bits of the trace id, 16 hex digits
func readDatadog(h map[string][]string) (Context, bool, Fault) {
	trace, parent := h["X-Datadog-Trace-Id"], h["X-Datadog-Parent-Id"]
	priority, tags := h["X-Datadog-Sampling-Priority"], h["X-Datadog-Tags"]
	switch {
	case len(trace) > 1 || len(parent) > 1 || len(priority) > 1 || len(tags) > 1:
		return Context{}, false, RepeatedField
	case len(trace) == 0 && len(parent) == 0:
		return Context{}, false, NoFault // a priority alone is of no use to Datadog either
	case len(trace) == 0 || len(parent) == 0:
		return Context{}, false, MissingID
	}
	c, fault := ParseDatadog(trace[0], parent[0], first(priority), first(tags))
	return c, fault == NoFault, fault
}

// ParseDatadog reads the values of Datadog's headers; priority and tags may be "".
func ParseDatadog(trace, parent, priority, tags string) (Context, Fault) {
	if len(trace) > 20 || len(parent) > 20 || len(tags) > maxDatadogTags {
		return Context{}, BadLength
	}
	low, ok1 := parseDecimal(trace)
	id, ok2 := parseDecimal(parent)
	if !ok1 || !ok2 {
		return Context{}, BadPattern
	}
	if low == 0 {
		return Context{}, ZeroID
	}
	high, fault := datadogHigh(tags)
	if fault != NoFault {
		return Context{}, fault
	}
	c := Context{TraceID: span.TraceID{High: high, Low: low}, SpanID: span.ID(id)}
	switch priority {
	case "":
	case "-1", "0":
		c.Decision = Deny
	case "1", "2":
		c.Decision = Accept
	default:
		return Context{}, BadDecision
	}
	return c, NoFault
}

// datadogHigh finds the upper half of the trace id; without one it is zero.
func datadogHigh(tags string) (uint64, Fault) {
	for tags != "" {
		var tag string
		tag, tags, _ = strings.Cut(tags, ",")
		value, ok := strings.CutPrefix(strings.TrimLeft(tag, " "), "_dd.p.tid=")
		if !ok {
			continue
		}
		if len(value) != 16 {
			return 0, BadLength
		}
		high, ok := parseHex(value, false)
		if !ok {
			return 0, BadHex
		}
		return high, NoFault
	}
	return 0, NoFault
}
