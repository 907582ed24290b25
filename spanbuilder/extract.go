package spanbuilder

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
