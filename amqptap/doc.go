// Package amqptap watches the RPC that goes over a RabbitMQ broker. It is the Caddy module
// calltap.sources.rabbitmq, and the commands "calltap rabbitmq check", which says whether a broker can be tapped, "calltap
// record", which writes what a tap would see to a file, and "calltap replay", which does with the file what a tap does.
//
// In go copies of messages, from a queue of the tap's own; out go spans, by way of a
// spanbuilder.Pairer to the Tracer of the configuration that is running.
//
//	 broker: amq.rabbitmq.trace, or exchanges that carry RPC
//	    │ bound to our queue: exclusive, bounded, drop-head
//	    ▼
//	session.go ──► delivery.go ──► dialect ──► spanbuilder.Pairer ──► Tracer.Sink
//	    ▲          Record           Message     CLIENT, SERVER, …
//	    │                              ▲
//	supervisor.go  clock.go       capture.go ◄── replay.go: FILE.jsonl
//	connect,       when it        recording.go ──► redact.go ──► capture_write.go: FILE.jsonl
//	back off,      happened
//	explain
//
// guard.go and what it starts keep the tap from harming the broker; check.go looks at all of that beforehand.
//
// source.go is the Caddy module, caddyfile.go its syntax, address.go and settings.go what becomes of
// its configuration. A running tap (tap.go) is kept in a pool by its settings: a reload that leaves
// them alone keeps connection, queue and open calls, and only puts new rules on top.
//
// # Failure behaviour
//
// The broker is never harmed. The tap declares one queue and binds it, and nothing else; it never publishes, never
// asks for other objects, and needs rights on its own queues only. If it is slow the broker
// drops the oldest copies (x-max-length, x-max-length-bytes, x-overflow drop-head); if it dies the queue goes with
// its connection.
//
// The tap starts whether the broker is there or not, says once what is wrong and what to do about it,
// and goes on trying: after half a second, growing to half a minute. HTTP tracing does not notice.
//
// What is lost is counted: messages that no dialect could read, by reason; half calls, by the
// Pairer; panics, of which each costs one message. Copies that the broker drops from the full queue it does not
// tell of; they show as half calls.
//
// # Secrets
//
// The broker's password is resolved when the tap starts and is in no log, status or error text.
// Bodies are read by list (see dialect) and logged never.
package amqptap
