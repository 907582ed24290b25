package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Classes of failure, beside the status codes of 500 and above, which are their own class.
const (
	classClientGone = "client_gone" // the client left before the response was complete
	classAborted    = "aborted"     // a handler cut the response off, as reverse_proxy does when its upstream fails in mid-body
	classPanic      = "panic"       // a handler panicked with anything else
)

// statusClientGone is nginx's code for a client that did not wait; Caddy's access log has it too.
const statusClientGone = 499

// outcome is how the handlers after us ended.
type outcome struct {
	err       error // what they returned
	abandoned bool  // they did not return
	panicked  any   // the reason; nil with abandoned is runtime.Goexit
}

// verdict is the truth about a response: the status that the client got, or would have got, and the
// class of the failure, "" for none. A status of 0 is a connection that was cut before any.
//
// A status that has been sent stands, whatever happens after it, except that a client who did not
// stay for the whole response counts as gone.
func (q *request) verdict(r *http.Request, o *outcome) (status int, class string) {
	if q.status != 0 && q.status < 400 && !q.failed && o.err == nil && !o.abandoned && q.postponed == nil {
		return int(q.status), "" // as nearly all
	}
	return q.judge(r, o)
}

func (q *request) judge(r *http.Request, o *outcome) (status int, class string) {
	if q.postponed != nil {
		return q.postponed.verdict()
	}
	sent := int(q.status)
	if sent == 0 && q.hijacked {
		sent = http.StatusSwitchingProtocols
	}
	switch {
	case o.abandoned && o.panicked != nil && o.panicked != http.ErrAbortHandler:
		return sentOr(sent, http.StatusInternalServerError), classPanic
	case o.abandoned:
		if q.clientGone(r) {
			return q.left(sent)
		}
		return sent, classAborted
	case o.err != nil:
		return q.verdictOf(r, sent, errorStatus(o.err))
	case sent == 0 && q.clientGone(r), q.failed && q.clientGone(r):
		return q.left(sent)
	}
	status = sentOr(sent, http.StatusOK)
	return status, statusClass(status)
}

// verdictOf is the verdict on a handler that returned an error, for which Caddy sends code after us.
func (q *request) verdictOf(r *http.Request, sent, code int) (status int, class string) {
	if code == statusClientGone || q.clientGone(r) {
		return q.left(sent)
	}
	return sentOr(sent, code), statusClass(code)
}

// left is the verdict on a client that left: too early for a response, as nearly all of them do for a stream.
func (q *request) left(sent int) (status int, class string) {
	if q.stream != nil && sent != 0 {
		return sent, statusClass(sent)
	}
	return statusClientGone, classClientGone
}

// clientGone reports whether the client has left: net/http then cancels the request's context, which
// it does for no other reason before the handlers have returned.
func (q *request) clientGone(r *http.Request) bool {
	return q.cut || errors.Is(r.Context().Err(), context.Canceled)
}

// errorStatus is the status that Caddy makes of a handler's error.
func errorStatus(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}

func statusClass(status int) string {
	switch {
	case status >= 500:
		return statusText(status)
	case status == statusClientGone:
		return classClientGone
	default:
		return ""
	}
}

func sentOr(sent, otherwise int) int {
	if sent != 0 {
		return sent
	}
	return otherwise
}

// statusTexts holds the decimal text of every status that HTTP allows.
var statusTexts = func() (t [600]string) {
	for i := 100; i < len(t); i++ {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

func statusText(status int) string {
	if status >= 100 && status < len(statusTexts) {
		return statusTexts[status]
	}
	return strconv.Itoa(status)
}
