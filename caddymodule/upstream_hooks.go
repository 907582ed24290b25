package caddymodule

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// hooks are what transports call, for the attempts of one request at a time. Each is a closure, and to make all of them anew
// costs more than all else of an attempt, so they are used again; but only those that nobody can call any more, as their
// attempts are told by nobody else: see spent.
type hooks struct {
	of    atomic.Pointer[attempts]
	trace httptrace.ClientTrace
}

// nobody gets what is told of no request.
var nobody = &attempts{ended: true}

var spareHooks = sync.Pool{New: func() any { return newHooks() }}

// newHooks makes those calls of net/http and of quic-go's http3 that are not of dials.
func newHooks() *hooks {
	h := new(hooks)
	h.of.Store(nobody)
	h.trace = httptrace.ClientTrace{
		GetConn:              func(address string) { h.of.Load().getConn(address) },
		GotConn:              func(info httptrace.GotConnInfo) { h.of.Load().gotConn(info) },
		TLSHandshakeStart:    func() { h.of.Load().tlsStart() },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { h.of.Load().tlsDone(err) },
		WroteRequest:         func(info httptrace.WroteRequestInfo) { h.of.Load().wroteRequest(info) },
		GotFirstResponseByte: func() { h.of.Load().firstByte() },
		PutIdleConn:          func(err error) { h.of.Load().putIdle(err) },
	}
	return h
}

// watch takes hooks for a. A trace that was there before is put together with them by httptrace, and for good.
func (a *attempts) watch() {
	if httptrace.ContextClientTrace(a.Context) == nil {
		a.hooks = spareHooks.Get().(*hooks)
		a.hooks.of.Store(a)
		return
	}
	a.hooks, a.asked = newHooks(), 1
	a.hooks.of.Store(a)
	a.Context = httptrace.WithClientTrace(a.Context, a.addDials(&a.hooks.trace))
}

// addDials adds the calls of diallers. Of FastCGI, which knows nothing of the others, there are these.
func (a *attempts) addDials(t *httptrace.ClientTrace) *httptrace.ClientTrace {
	t.DNSDone, t.ConnectStart, t.ConnectDone = a.dnsDone, a.connectStart, a.connectDone
	return t
}

// unwatch lets go of the hooks when the request has ended. mu is held.
func (a *attempts) unwatch() {
	if a.hooks != nil && a.spent() {
		a.hooks.of.Store(nobody)
		spareHooks.Put(a.hooks)
	}
	a.hooks = nil
}

// spent reports whether the hooks have been called for the last time. They were handed out once, to an attempt that net/http
// took from beginning to end over HTTP/1: with a connection that was idle, so that nothing was dialled, which may go on for long
// after the request; that took the request and gave all of the response; and that is idle again, which is the last thing to
// be told. mu is held.
func (a *attempts) spent() bool {
	if a.asked != 1 || len(a.list) != 1 {
		return false
	}
	c := &a.list[0]
	return c.idle && c.sent != 0 && c.first != 0 && c.freed && !c.again
}
