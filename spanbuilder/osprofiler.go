package spanbuilder

// ParseProfilerBase reads osprofiler's base_id, a UUID in lower-case hex with dashes, which names the trace
// (osprofiler/profiler.py). Its parent_id names a point that osprofiler reports elsewhere, so the context has no span.
func ParseProfilerBase(base string) (Context, Fault) {
	if len(base) != 36 {
		return Context{}, BadLength
	}
	id, ok := parseUUID(base)
	if !ok {
		return Context{}, BadHex
	}
	return Context{TraceID: id}, NoFault
}
