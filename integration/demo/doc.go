// Command demo shows calltap at work on one machine and takes everything away again.
//
//	make demo            starts, prints a trace and the metrics, goes on until Ctrl-C
//	make demo ONCE=1     ends after checking that HTTP and RPC are in one trace; exit status 0 if so
//	make demo ZIPKIN=1   starts the real Zipkin too
//
// What it starts, all of it on the loopback and in one temporary folder:
//
//	you ──► calltap ──► API ──► RabbitMQ ◄──► conductor, compute
//	        (Caddyfile.example)     └── firehose ──► calltap ──► store, StatsD, Zipkin
//
// The API and the two services hold no tracing code. They are the Python programs of ../apps, with
// oslo.messaging from PyPI, or, where there is no Python, Go programs that speak its message format
// (goapps.go): the demo's own binary, started again under another name.
//
// Failure behaviour: whatever fails, all that was started is ended, the reason is printed in one line
// and the exit status is 1. Should this process be killed, its children end with it.
package main
