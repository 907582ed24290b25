package caddymodule

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// maxAttempts bounds the spans of one request: with try_interval 0 a proxy may try some thousand times a second. The newest
// takes the place of the one before it, which is only counted.
const maxAttempts = 64

// attempts are the tries of a request to reach upstreams, each a CLIENT span below the request's own. Two see them:
//
//	httptrace (upstream_trace.go)        of any transport that tells it, as Caddy's own does: when a connection was asked for and
//	                                     got, when the request was sent and the first byte came back. Transports find its
//	                                     hooks (upstream_hooks.go) in the request's context (upstream_context.go)
//	the transport calltap (transport.go) its own attempts from the call to the last byte, with status, error and sizes; httptrace
//	                                     then only adds to them
//
// An attempt ends with the last byte of its response. Where nobody sees that (HTTP/2 without the transport calltap) it
// ends with the request, or with its first byte if another attempt came after it. All become spans when the
// request ends and has its key.
type attempts struct {
	context.Context // of the request; see Value

	st     *state
	repl   *caddy.Replacer    // tells the status that an upstream answered
	start  moment             // that of the request, from which all times are counted
	server spanbuilder.Server // the request's span
	own    bool               // each attempt has trace headers of its own
	body   *bodyCount         // of the request; nil if it has none

	mu      sync.Mutex // guards all below; transports call from their own goroutines, even after the end
	hooks   *hooks     // nil: the request has ended
	asked   int        // how often the hooks were handed out
	list    []attempt
	room    [1]attempt
	leftOut int  // attempts that another one took the place of
	latency any  // what the replacer said of the last answer, if another attempt came after it
	ended   bool // the request has: what comes still is nobody's
	resends int  // of the newest attempt
	url     *url.URL
}

// attempt is one of them. Times are Unix microseconds, 0 if it did not happen.
type attempt struct {
	id      span.ID
	address string         // of the upstream, as it was dialled
	remote  netip.AddrPort // of the connection
	exact   bool           // the transport calltap sees it
	dialled bool           // all that is seen of it is its connection
	got     bool           // it has a connection
	idle    bool           // which was idle
	freed   bool           // and is so again
	resend  int            // 1: the first retry
	late    bool           // the request's body was over when it began
	again   bool           // the transport sent it once more by itself

	begin, connect, connected, secure, secured, sent, first, end int64

	failed  int64  // when failure was
	failure string // before there was an answer
	broken  string // failure of the body of the answer
	status  int
	in, out int64 // bytes of the bodies of response and request; exact only
}

// newAttempts is for a request of a site that wants upstream spans.
func newAttempts(st *state, r *http.Request, start moment, server spanbuilder.Server, own bool) *attempts {
	a := &attempts{Context: r.Context(), st: st, start: start, server: server, own: own}
	a.list = a.room[:0]
	a.repl, _ = a.Context.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	a.watch()
	return a
}

// unlock is deferred by all that transports call: a fault of ours on one of their goroutines would end the process.
func (a *attempts) unlock() {
	a.st.survived(recover())
	a.mu.Unlock()
}

// now is the time in Unix microseconds.
func (a *attempts) now() int64 { return a.start.wall + a.start.passed().Microseconds() }

// newest is the attempt under way, nil before the first.
func (a *attempts) newest() *attempt {
	if len(a.list) == 0 {
		return nil
	}
	return &a.list[len(a.list)-1]
}

// begin adds an attempt. mu is held.
func (a *attempts) begin(address string, resend bool) *attempt {
	if resend {
		a.resends++
	} else {
		a.resends = 0
	}
	if len(a.list) == maxAttempts {
		a.list = a.list[:maxAttempts-1]
		a.leftOut++
	}
	a.list = append(a.list, attempt{id: newSpanID(), address: address, begin: a.now(), resend: a.resends, late: a.body.is(bodyOver)})
	return a.newest()
}

// settle notes what the replacer tells of an answer, which is overwritten by the next one. mu is held.
func (a *attempts) settle(c *attempt) {
	if c == nil || c.exact || c.first == 0 && !c.dialled || c.status != 0 || a.repl == nil {
		return
	}
	// It is there as long as the request; whether it is of this answer its latency tells, in nanoseconds. Nearly all
	// requests have one answer, and need not ask.
	if !a.ended || a.latency != nil {
		latency, _ := a.repl.Get("http.reverse_proxy.upstream.latency")
		if latency == a.latency {
			return
		}
		a.latency = latency
	}
	status, _ := a.repl.Get("http.reverse_proxy.status_code")
	c.status, _ = status.(int)
}

// classes of failure of an attempt, beside those of errors.
const (
	classNoResponse  = "no_response"  // the connection ended without one
	classBadResponse = "bad_response" // what came is none: not HTTP, or the beginning of a header
	classBody        = "request_body" // there was no more of the request to send
)

// blame is class, unless the request's own body failed: net/http shows that as a failure of the connection, and the upstream had no part
// in it. A body that was over before the attempt began cannot be sent again. mu is held.
func (a *attempts) blame(c *attempt, class string) string {
	if class != classReset && class != classNoResponse {
		return class
	}
	if a.body.is(bodyBroken) || c.late && a.body.is(bodySpent) {
		return classBody
	}
	return class
}

// excuse does the same by how the request ended. mu is held.
func (a *attempts) excuse(o outcome, gone bool) {
	c := a.newest()
	switch {
	case c == nil || !c.got || c.first != 0:
		return
	case gone && c.failure == classBody:
		c.failure = classClientGone
	case o.err != nil && errorStatus(o.err) == http.StatusRequestEntityTooLarge: // of request_body, which stands behind us
		c.failure = classBody
	}
	if c.broken != "" {
		c.broken = c.failure
	}
}

// finish gives what is open the end of the request. gone says that its client left. mu is held.
func (a *attempts) finish(o outcome, gone bool, end int64) {
	a.ended = true
	last := a.newest()
	if last == nil {
		return
	}
	a.settle(last)
	for i := range a.list {
		c := &a.list[i]
		switch {
		case c.end != 0:
		case c != last && c.first != 0:
			c.end = c.first
		case c != last && c.failed != 0:
			c.end = c.failed
		case c != last:
			c.end = a.list[i+1].begin
		case c.failed != 0 && c.first == 0:
			c.end = c.failed
		default:
			c.end = end
		}
		c.end = max(c.end, c.begin+1)
	}
	unknown := last.status == 0 && last.failure == "" && (last.first == 0 || o.err != nil)
	if last.broken == "" && !last.exact && (unknown || o.abandoned) {
		last.broken = last.fate(o, gone)
	}
}

// fate is what became of the last attempt, which what the handlers returned tells if nothing else does.
func (c *attempt) fate(o outcome, gone bool) string {
	switch {
	case gone:
		return classClientGone
	case o.abandoned:
		return classAborted
	case o.err != nil && errorStatus(o.err) == http.StatusBadGateway:
		return c.answered(errorClass(o.err, classNoResponse))
	case o.err != nil: // perhaps of a handler that asked another server something, and did not like the answer
		return errorClass(o.err, classNoResponse)
	case c.dialled:
		return ""
	}
	return classNoResponse
}

// answered is class, unless something came that is no response.
func (c *attempt) answered(class string) string {
	if class == classNoResponse && c.first != 0 {
		return classBadResponse
	}
	return class
}

// class is the attempt's failure, "" for none.
func (c *attempt) class() string {
	switch {
	case c.broken != "":
		return c.broken
	case c.status != 0:
		return statusClass(c.status)
	case c.first != 0:
		return ""
	case c.failure != "":
		return c.failure
	}
	return classNoResponse
}

// newSpanID makes the id of an attempt.
func newSpanID() span.ID {
	for {
		if id := rand.Uint64(); id != 0 {
			return span.ID(id)
		}
	}
}
