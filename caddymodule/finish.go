package caddymodule

import (
	"cmp"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

const (
	maxPathTag   = 1024 // bytes of a path that the tag http.path shows
	maxSharedURI = 512  // bytes of a request line that a span may keep alive; longer ones are copied from
)

// Tags of an HTTP span beside those of span.HTTP. docs/http.md lists them; nothing else of a request is ever shown but by a rule's tag.
const (
	tagGRPC      = "grpc.status_code"
	tagUntrusted = "calltap.untrusted_trace_id"
)

// end closes the span and offers it. It never fails the request.
func (q *request) end(r *http.Request, o outcome) {
	st := q.handler.state
	defer func() {
		st.survived(recover())
		if q.undecided {
			q.settle(false)
		}
		st.requests.leave()
	}()
	q.ended = true
	if a := q.amended; a != nil {
		q.service = cmp.Or(a.service, q.service)
		if a.rules != nil {
			q.rules = a.rules
		}
	}
	if q.postponed == nil {
		q.linkResponse()
		if skips.Load() && skippedLate(r) {
			return
		}
	}
	took := q.start.passed()
	status, class := q.verdict(r, &o)
	grpc := q.grpcStatus(r)
	if class == "" && grpc != "" && grpc != "0" {
		class = "grpc_" + grpc
	}
	named := q.known()
	if named == nil {
		var room keyrules.Result
		named = q.resolve(&room, status, class)
	}
	if named.Ignore {
		return
	}
	service := serviceName(named.Service, q.service)
	fate, off := q.fate(named, service, class != "", status, took)
	if off {
		return
	}
	var s span.Span // stays on the stack: Offer copies it
	s.TraceID, s.ID, s.Parent = q.server.TraceID, q.server.ID, q.server.Parent
	s.Kind, s.Debug, s.Sampled = span.KindServer, q.server.Debug, fate == sampling.Kept
	s.Start, s.Duration = q.start.wall, max(1, took.Microseconds())
	s.Name, s.Key, s.Error, s.Local.Service = named.Name, named.Key, class, service
	if fate != sampling.LetGo {
		client := q.client(r)
		s.Remote.IP, s.Remote.Port = client.Addr(), client.Port()
		q.tell(&s.HTTP, r, status, named)
		s.Tags = q.tags(r, status, grpc, named)
	}
	for _, note := range named.Notes {
		s.Notes = append(s.Notes, span.Note{Time: s.Start, Value: note})
	}
	if q.stream != nil {
		s.Notes = q.stream.notes(s.Notes, q.start, took)
	}
	if q.attempts != nil {
		q.attempts.finishBelow(&s, o, q.postponed == nil && q.clientGone(r), fate)
	}
	st.give(&s, fate)
}

// known is what the rules remember of such requests, nil if they must be asked.
func (q *request) known() *keyrules.Result {
	if q.body != nil {
		return nil
	}
	return q.rules.Known(q.service, q.method, q.path)
}

// resolve asks the rules. room is for a result that they have not remembered.
func (q *request) resolve(room *keyrules.Result, status int, class string) *keyrules.Result {
	call := keyrules.Call{
		Kind:    keyrules.HTTP,
		Service: q.service,
		Method:  q.method,
		Host:    q.host,
		Path:    q.path,
		Status:  status,
		BodyKey: q.body.firstKey(),
		Error:   class,
	}
	q.lend(&call)
	return q.rules.Find(&call, room)
}

// give gives away a span of a request of that fate.
func (st *state) give(s *span.Span, fate sampling.Fate) {
	st.pipeline.Offer(s)
	if fate == sampling.Held {
		st.holder.Hold(s, st.pipeline)
	}
}

// tell fills in what every span of a request tells tracers.
func (q *request) tell(h *span.HTTP, r *http.Request, status int, named *keyrules.Result) {
	h.Method, h.Path = q.shared(r)
	h.Status, h.Route = uint16(status), routeAt(named, h.Method)
	h.Received, h.Sent = q.sizes()
}

// tags are the tags that few requests have.
func (q *request) tags(r *http.Request, status int, grpc string, named *keyrules.Result) []span.Tag {
	h := q.handler
	if q.postponed == nil && grpc == "" && h.query == nil && h.tags == nil && q.amended == nil && q.foreign.IsZero() && named.Category == "" && named.Tags == nil {
		return nil
	}
	return q.someTags(r, status, grpc, named)
}

func (q *request) someTags(r *http.Request, status int, grpc string, named *keyrules.Result) (tags []span.Tag) {
	if grpc != "" {
		tags = append(tags, span.Tag{Key: tagGRPC, Value: grpc})
	}
	if show := q.shownQuery(); show != nil && q.rawQuery(r) != "" {
		tags = append(tags, span.Tag{Key: tagQuery, Value: show.show(q.rawQuery(r))})
	}
	if !q.foreign.IsZero() {
		tags = append(tags, span.Tag{Key: tagUntrusted, Value: q.foreign.String()})
	}
	return q.ownTags(spanbuilder.AppendRuleTags(tags, named), r, status)
}

// routeAt is where the path pattern of the rule that matched begins in the span's name; 0 if there is none, or
// the rule gives its own name.
func routeAt(named *keyrules.Result, method string) uint16 {
	if named.Rule != defaultRule && strings.HasPrefix(named.Name, method) && strings.HasPrefix(named.Name[len(method):], " /") {
		return uint16(len(method) + 1)
	}
	return 0
}

// defaultRule is keyrules' word for no rule.
const defaultRule = "default"

// shared returns method and path for a span, which may wait in a queue for long: they are parts of
// the request line, which a long query must not keep in memory.
func (q *request) shared(r *http.Request) (method, path string) {
	method, path = q.method, cutText(q.path, maxPathTag)
	if len(r.RequestURI) > maxSharedURI || len(path) > maxSharedURI {
		method, path = strings.Clone(method), strings.Clone(path)
	}
	return method, path
}

// cutText cuts a text to n bytes, between characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	least := n - utf8.UTFMax
	for n > least && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// rawQuery is the query string as the client sent it.
func (q *request) rawQuery(r *http.Request) string {
	return originalRequest(r).URL.RawQuery
}

// grpcStatus is the outcome of a gRPC call, which its trailer tells and the HTTP status, always 200, does not.
func (q *request) grpcStatus(r *http.Request) string {
	if r.ProtoMajor < 2 || q.postponed != nil {
		return ""
	}
	return grpcTrailer(q.inner.Header())
}

func grpcTrailer(header http.Header) string {
	if !strings.HasPrefix(first(header["Content-Type"]), "application/grpc") {
		return ""
	}
	status := first(header["Grpc-Status"])
	if status == "" {
		status = first(header[http.TrailerPrefix+"Grpc-Status"])
	}
	if len(status) == 0 || len(status) > 2 || strings.Trim(status, "0123456789") != "" {
		return ""
	}
	return status
}

func serviceName(name, otherwise string) string {
	if name != "" {
		return name
	}
	if otherwise != "" {
		return otherwise
	}
	return defaultService
}
