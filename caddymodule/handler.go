package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/spanbuilder"
)

// Handler traces and times each request that passes through it. It goes before every handler that
// answers, `reverse_proxy` included; the response is what it would be without it.
//
// Upstream, the request carries `traceparent` and `b3` in place of all trace headers that came
// with it and, with `link openstack`, `X-OpenStack-Request-ID`. The ids are the placeholders
// `{http.vars.trace_id}` and `{http.vars.span_id}`, and the fields `traceID` and `spanID` of the access log.
//
// The app `calltap` says where spans go. A configuration that uses this handler without the app does not load.
type Handler struct {
	// Service is the name that the site's spans carry in Zipkin, such as `nova-api`. A rule's own
	// service goes before it. Default: `caddy`.
	Service string `json:"service,omitempty"`

	// Rules are the site's own, in order. They go before the app's.
	Rules []keyrules.Rule `json:"rules,omitempty"`

	// Tracing is what the site says otherwise than the app.
	Tracing

	// File and Line say where the directive stands, for warnings. A Caddyfile sets them.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`

	state     *state
	site      Tracing // the site's over the app's
	head      sampling.Head
	keep      *sampling.Keep // nil: nothing is kept for how it ended
	tags      []ownTag
	query     *query // nil: not shown
	replyName string // "" tells nobody the trace id
	contexts  *spanbuilder.Contexts
	trust     trust
	rules     *keyrules.Set // the site's and the app's
	needs     needs
	server    serverFacts
}

// defaultService is what spans of a site without a name are found by.
const defaultService = "caddy"

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.calltap",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the app that the handler belongs to.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.AppIfConfigured("calltap")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("the handler calltap has nowhere to send its spans: add the global option " +
			"'calltap' with at least one of zipkin, statsd, log, store (in JSON: apps.calltap)")
	}
	if err != nil {
		return fmt.Errorf("loading the app calltap: %w", err)
	}
	h.state = app.(*App).state
	h.enlist(ctx)
	if err := h.provisionTracing(app.(*App).Tracing); err != nil {
		return err
	}
	return h.provisionRules()
}

// ServeHTTP lets next answer, and watches.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) (err error) {
	var q request // stays on the stack
	if !h.begin(&q, w, r) {
		return pass(w, r, next)
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// A panic, or runtime.Goexit: seen, and passed on from here, where the stack is still whole.
		value := recover()
		q.end(r, outcome{abandoned: true, panicked: value})
		if value != nil {
			panic(value)
		}
	}()
	if _, ok := w.(http.Flusher); ok {
		err = next.ServeHTTP(flusher{q.carrier}, r)
	} else {
		err = next.ServeHTTP(q.carrier, r)
	}
	returned = true
	q.sending() // what is sent after us, such as Caddy's answer to an error, tells the trace too; the end may come on another goroutine
	if err == nil || !q.postpone(r, err) {
		q.end(r, outcome{err: err})
	}
	return err
}

// begin starts a span, or returns false if the request is not to be traced: a rule ignores it, an
// outer calltap has it already, or our own code failed.
func (h *Handler) begin(q *request, w http.ResponseWriter, r *http.Request) (traced bool) {
	st := h.state
	if st.control.Now().Off(serviceName(h.Service, "")) {
		return false
	}
	st.requests.enter()
	defer func() {
		if st.survived(recover()) {
			traced = false
		}
		if !traced {
			st.requests.leave()
		}
	}()
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if outer := outerOf(vars, w); outer != nil {
		outer.amend(h)
		return false
	}
	if skipped(vars) {
		return false
	}
	return q.startRequest(h, w, r, vars)
}

// survived keeps a fault of ours from failing the request: it goes on untraced, and is counted. fault is
// what recover returned.
func (st *state) survived(fault any) bool {
	if fault == nil {
		return false
	}
	st.faults.Add(1)
	if c := st.logger.Check(zap.ErrorLevel, "tracing failed; the request goes on without"); c != nil {
		c.Write(zap.Any("panic", fault), zap.Stack("stack"))
	}
	return true
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
