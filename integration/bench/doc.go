// Command bench measures what calltap costs, against programs that do the same without it, all in
// one run on one machine. `make bench` calls it; every line is one figure with its goal.
//
//	            ┌────────────────── subjects: processes of their own ───────────────────┐
//	load ──HTTP─► plain Caddy │ the same again │ calltap … │ Caddy tracing │ other proxies ├──► upstream
//	            └─────────────────────────────────┬───────────────┬─────────────────────┘
//	                                        Zipkin, StatsD      OTLP       sinks, which count
//
// What enters: the calltap binary (built from cmd/calltap, or -bin), RabbitMQ's server programs for
// the groups rpc, broker and memory, and testdata/nova-boot.jsonl, the messages of a real OpenStack boot.
// What leaves: lines on standard output and, with -profile, CPU profiles. Nothing it starts outlives it.
//
// # Method
//
// A shared machine drifts by a third within the hour, and the same program against itself differs by
// ten percent in any naive comparison. So all subjects live at once and take turns in short slices
// of random order on connections that stay open; a figure is the median of the ratios of each round,
// with a bootstrap interval; and an A/A control, plain Caddy against itself, is printed beside. A run in
// which that is off by more than 3 % is thrown away and made again.
// While one subject runs, the others are stopped (SIGSTOP): the sending of spans that a tracer puts
// off then falls into its own slices. CPU per request is read from the subject's process clock.
//
// In the group rpc each subject is asked after each round whether it has taken all events; a run in which one
// has not is an error, not a figure.
//
// A figure that misses its goal does not fail the run. A rig that cannot measure does.
package main
