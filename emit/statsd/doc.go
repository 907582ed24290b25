// Package statsd turns spans into StatsD metrics and sends them over UDP through go-statsd-client.
//
//	span ──► names made safe ──┬─► timers: a line each ─────────────────────────┬─► datagrams ──► UDP
//	                           └─► counters: summed over the batch ──► client ──┘   ≤ 1,432 bytes
//	                                      address ◄── resolver, every 30 s, in the background
//
// # Names
//
// With KEY for the span's key and a prefix in front of all of them:
//
//	KEY          timer    length of a SERVER, CONSUMER or local span: the work itself
//	KEY.total    timer    length of a CLIENT or PRODUCER span: the work as its caller saw it
//	KEY.TIMER    timer    each of span.Timers, such as queue_wait
//	KEY.NOTE     counter  each note
//	KEY.calls    counter  each call, by the span of whoever made it; by the other one if only that was seen (span.Span.Echo)
//	KEY.error    counter  those that failed
//	KEY.timeout, KEY.unroutable   counters  those of them that failed so
//
// A span without a key has no metrics, one without a duration no timer of its own length. Timers are
// milliseconds with microseconds behind the point. Sampling does not matter here: every call counts.
//
// # Failure behaviour
//
// UDP tells little, and what it tells is counted. A server whose name cannot be resolved: the batch is
// dropped{unresolved}. A datagram that the kernel refuses to send: its spans are dropped{write}. A
// server that is not there, on hosts that say so (ICMP): dropped{refused}. The kernel tells of that
// with the next datagram, so these books run one datagram late. A server that is there and too slow
// loses datagrams without anybody knowing.
//
// No state of the server is ever felt by anything but this emitter: the name is resolved by a
// goroutine of its own, and again every 30 s; sending has a deadline.
//
// # Safety
//
// go-statsd-client checks no names, and a key with a colon or a line break forges metrics of others.
// Every name is therefore checked here, byte by byte, and repaired, whatever the rules in front have
// made of it. Its buffered sender discards errors and blocks its callers, its simple ones cannot tell
// a dead port and listen on every interface; so the client here writes to a Sender of our own, which
// packs datagrams and owns one connected socket.
package statsd
