package caddymodule

import (
	"context"
	"net/http/httptrace"
)

// Transports look for hooks among the values of a request's context, under two keys that are nobody else's to use: net/http
// and quic-go under that of httptrace.ClientTrace, the dialler of package net under one of the standard library's own.
// httptrace.WithClientTrace fills both, for some ten allocations a request, half of them for dials, of which there are few;
// and each trace on top of it, as reverse_proxy's is in each attempt, fills both anew.
//
// So attempts are a context themselves, and answer to both keys; to the second, when there is a dial. What they answer to that is
// httptrace's own work all the same. (A trace on top of ours that has hooks for dials hides those of ours. Nothing in Caddy has.)

// clientTraceKey is httptrace's key.
var clientTraceKey = func() any {
	var k keyhole
	httptrace.ContextClientTrace(&k)
	return k.key
}()

// keyhole is a context that sees what it is asked for.
type keyhole struct {
	context.Context
	key any
}

// Value implements context.Context.
func (k *keyhole) Value(key any) any {
	k.key = key
	return nil
}

// dialled has the values that diallers look for.
var dialled = httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{ConnectStart: func(string, string) {}})

// attemptsKey is for the transport calltap, which asks a request's context for its *attempts.
type attemptsKey struct{}

// Value implements context.Context: it is that of the request's own context, and what transports look for.
func (a *attempts) Value(key any) any {
	switch key {
	case clientTraceKey:
		return a.ask()
	case attemptsKey{}:
		return a
	}
	value := a.Context.Value(key)
	if value == nil && dialled.Value(key) != nil {
		value = httptrace.WithClientTrace(context.Background(), a.addDials(new(httptrace.ClientTrace))).Value(key)
	}
	return value
}

// ask hands out the hooks, until the request ends.
func (a *attempts) ask() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hooks == nil {
		return nil
	}
	a.asked++
	return &a.hooks.trace
}
