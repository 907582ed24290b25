package caddymodule

import "net/http"

// tellTrace puts the trace id into the response, at the moment when its header is about to be sent: what an upstream says under that
// name before then is replaced.
func (w *writer) tellTrace() {
	w.inner.Header()[w.reply.name] = w.reply.value[:]
}

// reply is the response header that tells the trace id, of one request.
type reply struct {
	name  string // canonical
	value [1]string
}

// replyWith has the response tell the trace id, if the site says so.
func (q *request) replyWith() {
	if q.handler.replyName != "" {
		q.reply = &reply{q.handler.replyName, [1]string{string(q.traceID)}}
	}
}

func canonicalOrNone(name string) string {
	if name == "" {
		return ""
	}
	return http.CanonicalHeaderKey(name)
}
