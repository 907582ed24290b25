package caddymodule

import (
	"net/http"
	"unsafe"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// carrier is what others get of a request under way: the wrapper of its response, the text of its headers and
// the values of its variables. They may hold on to it for longer than the request lasts, as access logs and late writers do,
// so that it is never used again. It is the one allocation of a request, and has room for all that in 256 bytes, a
// size class of Go's: TestARequestIsOneSmallAllocation fails if it grows. What only the handler needs lies in request.
type carrier struct {
	writer

	ended   bool
	amended *amendment // mostly nil

	traceID idText
	spanID  idText

	traceparent [1]string // what the header map points to; the strings lie in text
	b3          [1]string
	text        [spanbuilder.TraceparentLen + spanbuilder.B3MaxLen]byte
}

// linkedCarrier is a carrier of a request that gets X-OpenStack-Request-ID too.
type linkedCarrier struct {
	carrier

	requestID     [1]string
	requestIDText [spanbuilder.RequestIDLen]byte
}

// idText is a variable's value. A pointer to it, unlike a string, becomes an interface without an
// allocation; Caddy's replacer, matchers and CEL expressions all read it as the string it is.
type idText string

// carrier returns the carrier that t is the trace id of, as all of that type that can be found among variables are.
func (t *idText) carrier() *carrier {
	return (*carrier)(unsafe.Add(unsafe.Pointer(t), -int(unsafe.Offsetof(carrier{}.traceID))))
}

// outerOf returns the carrier of the calltap that has this request already, nil if there is none: by the trace id that it left among the
// variables or, if another handler has one of its own there, as Caddy's tracing does, by requestVar, or by the writer.
func outerOf(vars map[string]any, w http.ResponseWriter) *carrier {
	switch id := vars[traceIDVar].(type) {
	case nil:
		return nil
	case *idText:
		return id.carrier()
	}
	if outer, ok := vars[requestVar].(*carrier); ok {
		return outer
	}
	for w != nil {
		switch outer := w.(type) {
		case *carrier:
			return outer
		case flusher:
			return outer.carrier
		case interface{ Unwrap() http.ResponseWriter }:
			w = outer.Unwrap()
		default:
			return nil
		}
	}
	return nil
}

// String implements fmt.Stringer.
func (t *idText) String() string { return string(*t) }

// amendment is what a calltap within a calltap knows better, and what one among error routes must know.
type amendment struct {
	service string
	rules   *keyrules.Set
	shows   []*Handler // whose tags and query are shown too, the outer ones first

	postponed *postponed // nil unless error routes answer the request
}

// String keeps the request itself out of sight of who prints its variable.
func (c *carrier) String() string { return string(c.traceID) }

// amend is what a calltap within a calltap does: the inner site may know the service better, may have rules of its own, and may
// show more. What is decided when a request begins has been decided.
func (c *carrier) amend(h *Handler) {
	shows := len(h.Tags) > 0 || h.Query != nil
	if c.ended || h.Service == "" && len(h.Rules) == 0 && !shows {
		return
	}
	if c.amended == nil {
		c.amended = new(amendment)
	}
	if shows {
		c.amended.shows = append(c.amended.shows, h)
	}
	if h.Service != "" {
		c.amended.service = h.Service
	}
	if len(h.Rules) > 0 {
		c.amended.rules = h.rules
	}
}

// asString makes b a string without copying. b is a part of a carrier that is not written again.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
