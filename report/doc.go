// Package report prints traces as text.
//
// In: Zipkin v2 JSON, as its read API returns it (one trace is an array of spans, a search result an
// array of such arrays), from calltap's own store or any other server with that API.
//
// Out: a tree of one trace, a line a span, or a table of many traces, a line a trace.
//
//	START ms  LENGTH ms  SPAN
//	   0.000    146.223  nova-api SERVER post /v2.1/servers  [nova.api.servers.create.POST]
//	 143.100          -  ├─ nova-conductor PRODUCER schedule_and_build_instances  [nova.conductor.schedule_and_build_instances]
//	 143.900          -  │  └─ nova-conductor CONSUMER schedule_and_build_instances
//
// What is on the wire is foreign. A span that cannot be read is left out and counted; one whose parent is
// missing, or is its own ancestor, is printed at the top with a mark; one that was never finished has a mark too; of
// two reports of the same span one is made. Control characters, which could drive a terminal, are
// replaced. The time taken is that of sorting the spans, whatever their parents say.
package report
