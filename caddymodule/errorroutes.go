package caddymodule

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/calltap/calltap/span"
)

// A handler that returns an error has sent nothing; Caddy's error routes, if the server has any, answer after us, with a writer
// that is not ours. What they send is known from two places:
//
//	handler ─► error ─► calltap ─► Caddy ─► handle_errors ─► access log ─► request is over
//	                      │                   │ calltap there  │ sets {http.response.status}
//	                      └ postponed ·······─┴────────────────┴──────────────► span
//
// A calltap in handle_errors sees the response itself. Else the access log leaves the status behind, if the site has one. Without
// either the span says what Caddy makes of the error, which is what error routes send too unless they are told otherwise.

// tagHandlerStatus is the status of the handler's error, if the error routes made another one of it.
const tagHandlerStatus = "calltap.handler_status"

// responseStatus is what Caddy's access log calls the status, after everything.
const responseStatus = "http.response.status"

// postponed is a request whose handlers returned an error that error routes answer.
type postponed struct {
	q     request // a copy that may outlive the handler
	r     *http.Request
	err   error
	own   []span.Tag // the site's own tags, as they were when the handlers returned
	repl  *caddy.Replacer
	once  sync.Once
	stop  func() bool // of waiting for the end of the request
	final int         // what the error routes sent; 0: nobody saw it
	live  bool        // the request is its goroutine's alone: all of it may be read
}

// postpone puts off the end of q if error routes may answer it. It is false if there are none, or if the response has
// begun or its client is gone, so that what they do changes nothing.
func (q *request) postpone(r *http.Request, err error) (postponing bool) {
	defer func() {
		if q.handler.state.survived(recover()) {
			postponing = false
		}
	}()
	ctx := r.Context()
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil || server.Errors == nil || len(server.Errors.Routes) == 0 || q.vars == nil ||
		q.status != 0 || q.hijacked || ctx.Done() == nil || ctx.Err() != nil {
		return false
	}
	repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok || skips.Load() && skipped(q.vars) {
		return false
	}
	q.ended = true
	q.linkResponse()
	live := *r
	p := &postponed{q: *q, r: &live, err: err, repl: repl, own: q.siteTags(nil, r, errorStatus(err))}
	p.q.postponed = p
	if q.showsUUID() { // Caddy puts it among the variables when it is first asked for: not on another goroutine than theirs
		repl.Get(requestUUID)
	}
	p.q.vars = maps.Clone(q.vars)
	if q.amended == nil {
		q.amended = new(amendment)
	}
	q.amended.postponed = p // not a variable: a connection that a proxy dialled and did not need may still read those
	p.stop = context.AfterFunc(ctx, p.over)
	return true
}

// requestUUID is Caddy's placeholder of a random id of each request.
const requestUUID = "http.request.uuid"

// showsUUID reports whether a tag of q may read it.
func (q *request) showsUUID() bool {
	shows := func(h *Handler) bool {
		return slices.ContainsFunc(h.tags, func(t ownTag) bool { return strings.Contains(t.value, requestUUID) })
	}
	return shows(q.handler) || q.amended != nil && slices.ContainsFunc(q.amended.shows, shows)
}

// over is called on a goroutine of its own when the request is over; or when its client has left, while error routes may still
// be at work: then the log has said nothing yet, and nothing may be read that they write.
func (p *postponed) over() {
	status, logged := p.repl.Get(responseStatus)
	p.end(func() {
		p.live = logged
		if n, ok := status.(int); ok {
			p.final = sentOr(n, http.StatusOK)
		}
	})
}

// end ends the request once, with what learn sets.
func (p *postponed) end(learn func()) {
	p.once.Do(func() {
		learn()
		p.q.end(p.r, outcome{err: p.err})
	})
}

// serve is calltap among the error routes: it watches what they send.
func (p *postponed) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	seen := &carrier{writer: writer{inner: w}}
	var err error
	if _, ok := w.(http.Flusher); ok {
		err = next.ServeHTTP(flusher{seen}, r)
	} else {
		err = next.ServeHTTP(seen, r)
	}
	if err == nil {
		p.stop()
		p.end(func() {
			p.live, p.final = true, sentOr(int(seen.status), http.StatusOK)
			p.q.size += seen.size
		})
	}
	return err
}

// pass is what a calltap does with a request that has its span already, or gets none.
func pass(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if c := outerOf(vars, w); c != nil && c.amended != nil && c.amended.postponed != nil {
		return c.amended.postponed.serve(w, r, next)
	}
	return next.ServeHTTP(w, r)
}

// verdict is that on the whole request.
func (p *postponed) verdict() (status int, class string) {
	status = sentOr(p.final, errorStatus(p.err))
	return status, statusClass(status)
}

// tags are those of the site, and what the handlers said if the client was told something else.
func (p *postponed) tags(tags []span.Tag, r *http.Request, status int) []span.Tag {
	if code := errorStatus(p.err); code != status {
		tags = append(tags, span.Tag{Key: tagHandlerStatus, Value: strconv.Itoa(code)})
	}
	if p.live {
		return p.q.siteTags(tags, r, status)
	}
	for _, t := range p.own {
		tags = span.SetTag(tags, t.Key, t.Value)
	}
	return tags
}
