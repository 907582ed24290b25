// Package harness starts the real parts that calltap works with, for the tests and the demo, and
// ends every one of them again.
//
//	             ┌────────────┐  HTTP   ┌───────────────┐
//	test ───────►│  calltap   │────────►│ apps/api.py   │
//	             └──┬──┬────▲─┘         └──────┬────────┘
//	   spans        │  │    │ firehose         │ oslo.messaging
//	┌────────┐ ◄────┘  │  ┌─┴────────┐◄────────┤
//	│ Zipkin │         │  │ RabbitMQ │         │
//	└────────┘  ┌──────▼┐ └──────────┘◄──┬─────┴─────────┐
//	            │StatsD │  (../rabbit)   │apps/worker.py │ conductor, compute
//	            └───────┘                └───────────────┘
//
// Enters: the parts that `make parts` put into .parts/, and calltap's source. Leaves: running
// processes with their addresses, and what they know (Zipkin's and StatsD's own query interfaces).
//
// Failure behaviour: a missing part is ErrMissing, which a test turns into a loud skip, or into a
// failure where the variable CI is set. All servers listen on 127.0.0.1, on ports below the kernel's
// range for outgoing connections. Each process is ended by its own id; the kernel ends it should
// the test process be killed.
package harness
