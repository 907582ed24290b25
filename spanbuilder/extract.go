package spanbuilder

// Extract reads the trace context of an HTTP request: the first valid one of traceparent, b3 and
// X-B3-*. The map's keys must be in canonical form, as net/http makes them. The answer is true if
// there is anything to obey: ids, or a sampling decision alone (then both ids are zero).
//
// It does not allocate, save to join a tracestate that was sent in several header lines.
func Extract(h map[string][]string) (Context, bool) {
	c, ok, _ := ExtractFault(h)
	return c, ok
}

// ExtractFault is Extract that also tells the first fault found in a header, for counting. A fault
// does not exclude a context: a later header may have been good.
func ExtractFault(h map[string][]string) (Context, bool, Fault) {
	var fault Fault
	if v := h["Traceparent"]; len(v) > 0 {
		c, f := ParseTraceparent(v[0])
		if len(v) > 1 {
			f = RepeatedField
		}
		if f == NoFault {
			c.State = joinState(h["Tracestate"])
			return c, true, NoFault
		}
		fault = f
	}
	if v := h["B3"]; len(v) > 0 {
		c, f := ParseB3(v[0])
		if len(v) > 1 {
			f = RepeatedField
		}
		if f == NoFault {
			return c, true, fault
		}
		fault = firstFault(fault, f)
	}
	c, ok, f := parseMulti(
		first(h["X-B3-Traceid"]), first(h["X-B3-Spanid"]), first(h["X-B3-Sampled"]), first(h["X-B3-Flags"]))
	return c, ok, firstFault(fault, f)
}

// ExtractFunc reads a context out of any other carrier, such as an AMQP header table. It asks get for the
// lower-case names traceparent, tracestate, b3 and x-b3-…; get decides how to compare them.
func ExtractFunc(get func(name string) (string, bool)) (Context, bool, Fault) {
	var fault Fault
	if v, ok := get("traceparent"); ok {
		c, f := ParseTraceparent(v)
		if f == NoFault {
			state, _ := get("tracestate")
			c.State = boundState(state)
			return c, true, NoFault
		}
		fault = f
	}
	if v, ok := get("b3"); ok {
		c, f := ParseB3(v)
		if f == NoFault {
			return c, true, fault
		}
		fault = firstFault(fault, f)
	}
	var v [4]string
	for i, name := range [4]string{"x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"} {
		v[i], _ = get(name)
	}
	c, ok, f := parseMulti(v[0], v[1], v[2], v[3])
	return c, ok, firstFault(fault, f)
}

// ClearInbound removes every inbound form of trace context, so that no next hop hangs off the
// caller's span. continued is the context that the request goes on with, zero if its trace is new:
// W3C wants tracestate passed on with a continued traceparent, and dropped otherwise.
func ClearInbound(h map[string][]string, continued Context) {
	delete(h, "Traceparent")
	delete(h, "B3")
	delete(h, "X-B3-Traceid")
	delete(h, "X-B3-Spanid")
	delete(h, "X-B3-Parentspanid")
	delete(h, "X-B3-Sampled")
	delete(h, "X-B3-Flags")
	v, ok := h["Tracestate"]
	switch {
	case !ok:
	case continued.State == "":
		delete(h, "Tracestate")
	case len(v) != 1 || v[0] != continued.State:
		h["Tracestate"] = []string{continued.State}
	}
}

func firstFault(a, b Fault) Fault {
	if a != NoFault {
		return a
	}
	return b
}

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}
