// Package caddymodule is calltap's Caddy side: it watches HTTP requests, and it is where an operator
// configures everything.
//
// In: requests that pass the handler `calltap`, and one global option (or the JSON app `calltap`).
// Out: a SERVER span a request, and if they are wanted CLIENT spans of its upstreams, into an emit.Pipeline; trace headers
// for the next hop; the admin API below /calltap/; the commands `trace`, `explain` and `keys`.
//
//	client ──► handler.go ──────────────────────────► next handlers ──► upstream
//	              │  request.go: ids, headers            ▲
//	              │  writer.go, body.go: what passes ────┘
//	              ▼
//	           outcome.go: what became of it ──► finish.go: key, span ──► emit.Pipeline ──► sinks
//
//	errorroutes.go: what Caddy's error routes made of it   stream.go, sizes.go: what lives on, how much it was
//	upstream*.go: the attempts to reach upstreams          transport*.go: the transport that sees them from within
//
//	module.go   configuration and its documentation        caddyfile_*.go   the same as a Caddyfile
//	app.go      Provision, Start, Stop, Cleanup            state.go         what outlives a reload
//	needs.go    what rules read of a request               shorthand.go     their names in a site's block
//	admin.go    status.go    command.go                    explain.go       keys.go
//
// # What is shared
//
// A reload provisions the new configuration before it cleans up the old one. What both use lives in
// pools (state.go), so a pipeline with its queue, books and sockets, the store and the table of links
// go on as long as their own settings stay the same. Rules, sampling and trust belong to one
// configuration, and a request keeps those with which it began.
//
// # Failure behaviour
//
// Nothing of this fails, delays or changes a request. A panic in our code is survived and counted
// (http.faults on the status page) and the request goes on untraced; a panic of another handler is recorded
// and passed on. A trace header that is malformed, or sent by a peer that is not trusted, begins a new
// trace and is counted. Spans are lost only in the pipeline, which says how many and why. After a reload
// requests under way are waited for, up to ten minutes, before a sink that is no longer configured is
// flushed and closed; a request that ends even later loses its span, which that pipeline counts. At exit
// the sinks get three seconds to take what is queued.
package caddymodule
