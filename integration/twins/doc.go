// Package twins sends thousands of generated requests to pairs of sites that differ in one thing, the directive `calltap`, and
// compares all that can be seen from outside: by the client, and by the handler or upstream that answers.
//
// What enters: a seed. What leaves: nothing, or the shapes that came out differently, each with its seed and number.
//
//	                  ┌─► plain site ──┐
//	shape ─► client ──┤                ├──► script: a handler in Caddy, or an upstream behind reverse_proxy
//	                  └─► traced site ─┘        │
//	            │                               │
//	            ▼ what the client got           ▼ what the answering side saw
//	            └──────────── equal? ───────────┘
//
// A shape is a request (form, method, target, headers, body, how it is sent), a script for who answers it, and the route between
// them. All sites live in one process, so that nothing but the directive differs; with some also the transport calltap stands around that of the
// proxies. Requests go over HTTP/1.0, 1.1, 2 and 3.
//
// Tunnels are among them: connections that change their protocol, CONNECT to an authority or a path, and WebSockets as a stream of HTTP/2 and 3
// (RFC 8441, 9220). HTTP/2 offers those only with http2xconnect=1 in GODEBUG, which Go reads before main, so that TestMain begins the program once more.
//
// An upstream may turn attempts away, by an answer or without one, so that the proxy tries again: each attempt must be what it is without
// calltap, and name a parent of its own with `upstream_spans own`, the request's span without.
//
// No test sleeps: where time matters, one side waits until the other has seen something, and tells when that did not come. So
// "flushed before the rest" or "told that the client left" are facts, not measurements.
//
// # Failure behaviour
//
// What plain Caddy itself does now this way, now that way, is not compared: how a proxy cuts a body into pieces, and how much of a response
// arrives before an abort that nobody waited for. What is a data race in plain Caddy is not asked for (spareCaddy).
//
// TestADifferenceIsFound breaks the traced side on purpose, in each way that a wrapper of requests, responses and transports is known to
// fail in, and demands that this is noticed, twice with the same request.
package twins
