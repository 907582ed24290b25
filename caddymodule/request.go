package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

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
	requestVar = "calltap.request" // the *carrier of the request that is open, so that handlers do not nest
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
	start   time.Time
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
	method, path := original(r)
	headers := h.needs.readHeaders(r)
	hint := h.peek(method, r.Host, path, headers)
	if hint.Ignore {
		return false
	}
	q.carry(h, w)
	q.handler = h
	q.vars = vars
	q.service = h.Service
	q.rules = h.rules
	q.headers = headers
	q.start = now()
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

// original returns the method and path that the client sent. handle_path and rewrites outside of us have
// changed those of r by now; Caddy keeps a copy.
func original(r *http.Request) (method, path string) {
	if o, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && o.URL != nil {
		return o.Method, o.URL.Path
	}
	return r.Method, r.URL.Path
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
		q.place(spanbuilder.Context{}, false, "", false, by)
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
	text := spanbuilder.AppendTraceparent(q.text[:0], q.server)
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
		text = spanbuilder.AppendB3Beside(text, q.traceparent[0], q.server)
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
	if q.vars != nil {
		q.vars[requestVar] = q.carrier
		q.vars[traceIDVar] = &q.traceID
		q.vars[spanIDVar] = &q.spanID
	}
	if !q.handler.logged(r) {
		return
	}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("traceID", string(q.traceID)))
		extra.Set(zap.String("spanID", string(q.spanID)))
	}
}

// logged reports whether there is an access log. Only that shows log fields, and each costs more than the rest of
// the span. A handler belongs to one server for life, so the server is asked once.
func (h *Handler) logged(r *http.Request) bool {
	switch h.logs.Load() {
	case logsOn:
		return true
	case logsOff:
		return false
	}
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs != nil {
		h.logs.Store(logsOn)
		return true
	}
	h.logs.Store(logsOff)
	return false
}

// What Handler.logs holds. Zero: it is not known yet.
const (
	logsOn int32 = iota + 1
	logsOff
)

// client is the peer, or whom the server trusts it to speak for.
func (q *request) client() netip.AddrPort {
	return clientOf(parsePeer(q.remote), q.remote, q.vars)
}

// clientOf is the client as Caddy sees it, which differs from the peer if the server's own
// trusted_proxies let the peer speak for others. Then the port is unknown.
func clientOf(peer netip.AddrPort, remoteAddr string, vars map[string]any) netip.AddrPort {
	ip, _ := vars[caddyhttp.ClientIPVarKey].(string)
	if ip == "" || isHost(ip, remoteAddr) {
		return peer
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr == peer.Addr() {
		return peer
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), 0)
}

// isHost reports whether host is the host of hostport, with or without brackets around it.
func isHost(host, hostport string) bool {
	hostport = strings.TrimPrefix(hostport, "[")
	return len(hostport) > len(host) && hostport[:len(host)] == host &&
		(hostport[len(host)] == ':' || hostport[len(host)] == ']')
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
