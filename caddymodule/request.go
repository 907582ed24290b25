package caddymodule

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// Names in the request's variables. The first two are those of Caddy's own tracing.
const (
	traceIDVar = "trace_id"
	spanIDVar  = "span_id"
	requestVar = "calltap.request" // the *request that is open, so that handlers do not nest
)

// headerText is the room for the text of all headers that a request gets.
const headerText = spanbuilder.TraceparentLen + spanbuilder.B3MaxLen + spanbuilder.RequestIDLen

// request is a request under way. It is one allocation that holds all that the request needs of us:
// the response's wrapper, the text of the headers, and the slices that the header map points to. It is not
// pooled: header strings, access log and late writers may hold on to it.
type request struct {
	writer

	handler *Handler
	service string
	rules   *keyrules.Set
	headers *headerValues // nil unless rules read headers
	server  spanbuilder.Server
	start   time.Time
	method  string
	host    string
	path    string         // as the client sent it
	client  netip.AddrPort // the peer, or whom the server trusts it to speak for
	foreign span.TraceID   // of an untrusted caller
	body    *bodyTee
	ended   bool

	traceID idText
	spanID  idText

	traceparent [1]string
	b3          [1]string
	requestID   [1]string
	text        [headerText]byte
}

// idText is a variable's value. A pointer to it, unlike a string, becomes an interface without an
// allocation; Caddy's replacer, matchers and CEL expressions all read it as the string it is.
type idText string

// String implements fmt.Stringer.
func (t *idText) String() string { return string(*t) }

// startRequest opens the span of r, adds its headers to r, and wraps w. It returns nil if a rule
// ignores the request.
func startRequest(h *Handler, w http.ResponseWriter, r *http.Request, vars map[string]any) *request {
	method, path := original(r)
	headers := h.needs.readHeaders(r)
	hint := h.peek(method, r.Host, path, headers)
	if hint.Ignore {
		return nil
	}
	q := &request{
		writer:  writer{inner: w},
		handler: h,
		service: h.Service,
		start:   time.Now(),
		method:  method,
		host:    r.Host,
		path:    path,
		rules:   h.rules,
		headers: headers,
	}
	peer := parsePeer(r.RemoteAddr)
	q.client = clientOf(peer, r.RemoteAddr, vars)
	q.join(r, peer)
	q.publish(r, vars)
	q.replyWith()
	if hint.Body || hint.JSON {
		q.body = teeBody(r, hint.JSON)
	}
	return q
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
func (q *request) join(r *http.Request, peer netip.AddrPort) {
	st := q.handler.state
	if st.trigger != nil {
		if in, ok := st.forced(r.Header); ok {
			q.server = st.tracer.StartServer(in, true, "", false, serviceName(q.service))
			spanbuilder.ClearInbound(r.Header, in)
			q.writeHeaders(r.Header, false)
			return
		}
	}
	if !mayNameTrace(r.Header) {
		q.server = st.tracer.StartServer(spanbuilder.Context{}, false, "", false, serviceName(q.service))
		q.controlled(spanbuilder.Defer)
		q.writeHeaders(r.Header, false)
		return
	}
	in, found, fault := spanbuilder.ExtractFault(r.Header)
	if fault != spanbuilder.NoFault {
		st.headerFaults[fault].Add(1)
	}
	sent := first(r.Header[requestIDHeader])
	trusted := (found || sent != "") && q.handler.trust.believes(peer)
	if found && !trusted {
		q.foreign = in.TraceID
		in, found = spanbuilder.Context{}, false
		st.untrusted.Add(1)
	}
	named := trusted && sent != ""
	q.server = st.tracer.StartServer(in, found, sent, named, serviceName(q.service))
	q.controlled(in.Decision)
	spanbuilder.ClearInbound(r.Header, in)
	q.writeHeaders(r.Header, named)
}

// mayNameTrace reports whether any of the headers may be there that name a trace. Looking through a
// small map once is quicker than a dozen lookups in it; in one of more than 8, which is more than one
// group of Go's maps, it is not.
func mayNameTrace(header http.Header) bool {
	if len(header) > 8 {
		return true
	}
	for name := range header {
		if name == "B3" || strings.HasPrefix(name, "Trace") || strings.HasPrefix(name, "X-B3-") || name == requestIDHeader {
			return true
		}
	}
	return false
}

// writeHeaders adds our headers. Their text lies in q.
func (q *request) writeHeaders(header http.Header, named bool) {
	text := spanbuilder.AppendTraceparent(q.text[:0], q.server)
	q.traceparent[0] = asString(text)
	header["Traceparent"] = q.traceparent[:]
	// version "-" trace id "-" span id "-" flags (https://www.w3.org/TR/trace-context/#traceparent-header)
	q.traceID = idText(q.traceparent[0][3:35])
	q.spanID = idText(q.traceparent[0][36:52])

	from := len(text)
	text = spanbuilder.AppendB3(text, q.server)
	q.b3[0] = asString(text[from:])
	header["B3"] = q.b3[:]

	if q.handler.state.tracer.Link != spanbuilder.LinkOpenStack {
		return
	}
	if named { // by a trusted client, whose own id stays if it is one
		if _, ok := spanbuilder.ParseRequestID(header[requestIDHeader][0]); ok {
			return
		}
	}
	from = len(text)
	text = spanbuilder.AppendRequestID(text, q.server.TraceID)
	q.requestID[0] = asString(text[from:])
	header[requestIDHeader] = q.requestID[:]
}

// requestIDHeader is X-OpenStack-Request-ID as net/http spells it.
const requestIDHeader = "X-Openstack-Request-Id"

// publish makes the ids known to the site's other handlers and to the access log.
func (q *request) publish(r *http.Request, vars map[string]any) {
	if vars != nil {
		vars[requestVar] = q
		vars[traceIDVar] = &q.traceID
		vars[spanIDVar] = &q.spanID
	}
	ctx := r.Context()
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.Logs == nil {
		return // only the access log shows them, and each field costs more than the rest of the span
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("traceID", string(q.traceID)))
		extra.Set(zap.String("spanID", string(q.spanID)))
	}
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

// String keeps the request itself out of sight of who prints its variable.
func (q *request) String() string { return string(q.traceID) }

// amend is what a calltap within a calltap does: the inner site may know the service better, and may have
// rules of its own.
func (q *request) amend(h *Handler) {
	if q.ended {
		return
	}
	if h.Service != "" {
		q.service = h.Service
	}
	if len(h.Rules) > 0 {
		q.rules = h.rules
	}
}

// asString makes b a string without copying. b is a part of a request that is not written again.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
