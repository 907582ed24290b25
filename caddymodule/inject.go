package caddymodule

import (
	"net/http"
)

// multiHeaders are the values of X-B3-*, for sites that send them: one more allocation, that the others do not have.
type multiHeaders struct {
	trace, span, parent, decision [1]string
	parentText                    [16]byte
}

// writeMulti adds the headers X-B3-* (https://github.com/openzipkin/b3-propagation#multiple-headers). They stand for what b3 does.
func (q *request) writeMulti(header http.Header) {
	m := new(multiHeaders)
	m.trace[0], m.span[0] = string(q.traceID), string(q.spanID)
	if q.server.TraceID.High == 0 {
		m.trace[0] = m.trace[0][16:] // a trace that came with a 64-bit id goes on with one
	}
	header["X-B3-Traceid"], header["X-B3-Spanid"] = m.trace[:], m.span[:]
	if q.server.Parent != 0 {
		m.parent[0] = asString(q.server.Parent.Append(m.parentText[:0]))
		header["X-B3-Parentspanid"] = m.parent[:]
	}
	name, decision := "X-B3-Sampled", "0"
	switch {
	case q.server.Debug:
		name, decision = "X-B3-Flags", "1" // which implies to sample
	case q.server.Sampled:
		decision = "1"
	}
	m.decision[0] = decision // not shared: Caddy's header directive changes values in place
	header[name] = m.decision[:]
}
