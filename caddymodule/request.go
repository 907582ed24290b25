package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// Names in the request's variables. The first two are those of Caddy's own tracing.
const (
	traceIDVar = "trace_id"
	spanIDVar  = "span_id"
	requestVar = "calltap.request" // the *carrier, where error routes could find it by nothing else
)

// request is a request under way, as its handler sees it. It lies on the stack of ServeHTTP and must not leave it;
// what does is its carrier.
type request struct {
	*carrier

	handler *Handler
	vars    map[string]any // of Caddy, nil outside of it
	service string
	rules   *keyrules.Set
	headers *headerValues // nil unless rules read headers
	server  spanbuilder.Server
	start   moment
	method  string
	host    string
	path    string       // as the client sent it
	remote  string       // http.Request.RemoteAddr
	foreign span.TraceID // of an untrusted caller
	body    *bodyTee

	received *bodyCount // nil: there is no body
	attempts *attempts  // nil: nobody asked for their spans

	postponed *postponed // nil unless error routes answer it

	ruled     *keyrules.Sampling // what its rule says of recording it, as far as that was known at the beginning
	fixed     bool               // it was forced or switched: no rule changes whether it is recorded
	undecided bool               // it was not recorded, and may be kept for how it ends

	linked *linkedCarrier // holds carrier, if X-OpenStack-Request-ID is sent on
}

// startRequest makes q the request r: it opens its span, adds its headers to r, and wraps w. It is false, and
// nothing has happened, if a rule ignores the request.
func (q *request) startRequest(h *Handler, w http.ResponseWriter, r *http.Request, vars map[string]any) bool {
	original := originalRequest(r)
	method, path := original.Method, original.URL.Path
	headers := h.needs.readHeaders(r)
	var hint keyrules.Hint
	if h.rules.Peeks(method) {
		if hint = h.peek(method, r.Host, path, headers); hint.Ignore {
			return false
		}
	}
	q.carry(h, w)
	q.handler = h
	q.vars = vars
	q.service = h.Service
	q.rules = h.rules
	q.headers = headers
	q.start = begun(vars)
	q.method = method
	q.host = r.Host
	q.path = path
	q.remote = r.RemoteAddr
	q.join(r, q.choose(hint.Sample))
	q.publish(r)
	q.replyWith()
	q.countBody(r)
	q.tunnel = isTunnel(r)
	if hint.Body || hint.JSON {
		q.body = teeBody(r, hint.JSON)
	}
	q.watchUpstreams(r)
	return true
}

// carry makes the carrier.
func (q *request) carry(h *Handler, w http.ResponseWriter) {
	if h.state.tracer.Link == spanbuilder.LinkOpenStack {
		q.linked = new(linkedCarrier)
		q.carrier = &q.linked.carrier
	} else {
		q.carrier = new(carrier)
	}
	q.inner = w
}

// join finds the trace that r belongs to and makes our span the parent of the next hop.
func (q *request) join(r *http.Request, by sampling.Head) {
	st, contexts := q.handler.state, q.handler.contexts
	present := contexts.Look(r.Header)
	if st.trigger != nil {
		if in, ok := st.forced(r.Header); ok {
			q.fixed = true
			q.place(in, true, "", false, sampling.Always)
			contexts.Clear(r.Header, present, in)
			q.writeHeaders(r.Header, false)
			return
		}
	}
	if present == 0 {
		st.tracer.StartRoot(&q.server, serviceName(q.service, ""), &by)
		q.hold(&by)
		q.writeHeaders(r.Header, false)
		return
	}
	in, found, sent := q.inbound(r, present)
	q.place(in, found, sent, sent != "", by)
	contexts.Clear(r.Header, present, in)
	q.writeHeaders(r.Header, sent != "")
}

// writeHeaders adds our headers. Their text lies in the carrier.
func (q *request) writeHeaders(header http.Header, named bool) {
	spanbuilder.PutTraceparent((*[spanbuilder.TraceparentLen]byte)(q.text[:]), &q.server)
	text := q.text[:spanbuilder.TraceparentLen]
	q.traceparent[0] = asString(text)
	contexts := q.handler.contexts
	if contexts.Injects(spanbuilder.FormatW3C) {
		header["Traceparent"] = q.traceparent[:]
	}
	// version "-" trace id "-" span id "-" flags (https://www.w3.org/TR/trace-context/#traceparent-header)
	q.traceID = idText(q.traceparent[0][3:35])
	q.spanID = idText(q.traceparent[0][36:52])

	if contexts.Injects(spanbuilder.FormatB3) {
		from := len(text)
		text = spanbuilder.AppendB3Beside(text, q.traceparent[0], &q.server)
		q.b3[0] = asString(text[from:])
		header["B3"] = q.b3[:]
	}
	if contexts.Injects(spanbuilder.FormatB3Multi) {
		q.writeMulti(header)
	}

	if q.linked == nil {
		return
	}
	if named { // by a trusted client, whose own id stays if it is one
		if _, ok := spanbuilder.ParseRequestID(header[requestIDHeader][0]); ok {
			return
		}
	}
	text = spanbuilder.AppendRequestID(q.linked.requestIDText[:0], q.server.TraceID)
	q.linked.requestID[0] = asString(text)
	header[requestIDHeader] = q.linked.requestID[:]
}

// requestIDHeader is X-OpenStack-Request-ID as net/http spells it.
const requestIDHeader = "X-Openstack-Request-Id"

// publish makes the ids known to the site's other handlers and to the access log.
func (q *request) publish(r *http.Request) {
	server := q.handler.server.of(r)
	if q.vars != nil {
		q.vars[traceIDVar] = &q.traceID
		q.vars[spanIDVar] = &q.spanID
		if server.has(serverErrors) {
			q.vars[requestVar] = q.carrier
		}
	}
	if !server.has(serverLogs) { // each field costs more than the rest of the span
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("traceID", string(q.traceID)))
		extra.Set(zap.String("spanID", string(q.spanID)))
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
