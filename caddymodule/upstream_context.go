package caddymodule

import (
	"context"
	"net/http/httptrace"
)

// Transports look for hooks among the values of a request's context, under two keys that are no one else's to use: net/http
// and quic-go under that of httptrace.ClientTrace, the dialler of package net under one of the standard library's own.
// httptrace.WithClientTrace fills both, for some ten allocations a request, half of them for dials, of which there are few;
// and each trace on top of it, as reverse_proxy's is in each attempt, fills both anew.
//
// So attempts are a context themselves, and answer to both keys; to the second, when there is a dial. What they
// answer is httptrace's own work all the same. A trace that was there before ours is put together with it by httptrace,
// in its usual way.

// clientTraceKey is httptrace's key.
var clientTraceKey = func() any {
	var k keyhole
	httptrace.ContextClientTrace(&k)
	return k.key
}()

// keyhole is a context that sees what it was asked for.
type keyhole struct {
	context.Context
	key any
}

// Value implements context.Context.
func (k *keyhole) Value(key any) any {
	k.key = key
	return nil
}

// dialContext is one with hooks for dials: its values have the keys that diallers use.
var dialContext = httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{ConnectStart: func(string, string) {}})

// attemptsKey is for the transport calltap, which asks a request's context for its *attempts.
type attemptsKey struct{}

// Value implements context.Context: beside the values of the request's own context there is what transports want to know.
func (a *attempts) Value(key any) any {
	switch key {
	case clientTraceKey:
		return &a.hooks
	case attemptsKey{}:
		return a
	}
	value := a.Context.Value(key)
	if value == nil && dialContext.Value(key) != nil {
		value = httptrace.WithClientTrace(context.Background(), a.addDials(new(httptrace.ClientTrace))).Value(key)
	}
	return value
}

// watch makes the hooks, all but those of dials.
func (a *attempts) watch() {
	a.hooks = httptrace.ClientTrace{
		GetConn:              a.getConn,
		GotConn:              a.gotConn,
		TLSHandshakeStart:    a.tlsStart,
		TLSHandshakeDone:     a.tlsDone,
		WroteRequest:         a.wroteRequest,
		GotFirstResponseByte: a.firstByte,
		PutIdleConn:          a.putIdle,
	}
	if httptrace.ContextClientTrace(a.Context) != nil { // somebody else's
		a.Context = httptrace.WithClientTrace(a.Context, a.addDials(&a.hooks))
	}
}

func (a *attempts) addDials(hooks *httptrace.ClientTrace) *httptrace.ClientTrace {
	hooks.DNSDone, hooks.ConnectStart, hooks.ConnectDone = a.dnsDone, a.connectStart, a.connectDone
	return hooks
}
