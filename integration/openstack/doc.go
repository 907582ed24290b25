// Openstack boots virtual machines on a real OpenStack nova and shows what calltap saw of it.
//
//	            ┌─────────────────── calltap (./Caddyfile) ──────────────────┐
//	client ─┬──►│ nova-api          glance         placement        keystone │
//	        │   └───┬───────────────▲─┬────────────▲─┬──────────────▲─┬──────┘
//	  detour│       ▼               │ ▼            │ ▼              │ ▼
//	        └─► nova-api ───────────┘ glance    ┌──┘ placement      │ keystone      (uwsgi)
//	              │ RPC                         │                   └── all of them
//	          RabbitMQ ◄──► nova-scheduler ─────┤
//	              ▲    ◄──► nova-conductor ×2   │    firehose ──► calltap ──► Zipkin, StatsD
//	              └───────► nova-compute ×2 ────┘             └─► witness (./witness.go)
//
// Enters: the packages of Debian bookworm (packages.sh, which installs them), what `make parts` fetched, and calltap's
// source. Leaves: one line a check, the trace of a boot as a tree, tables of lengths and latencies, and the exit status.
// Nova, keystone, glance, placement, MariaDB and RabbitMQ are the real programs, unchanged; nova's hypervisor is its own
// fake driver, and neutron is a stub (neutron.go), for these machines have no network.
//
// What a trace must hold is not calltap's word: the broker's messages are read a second time by a witness that knows
// nothing of calltap, the services log the HTTP requests that they got, and nova tells when its builds began and ended.
//
// The first run makes databases with all schemas and keeps them in .parts/openstack; each run works on a copy, in a
// folder of its own that is removed at the end. Everything listens on 127.0.0.1, at ports that were free.
//
// Failure behaviour: a failed check is told and the rest goes on; the exit status is then 1. What was started is ended, by
// its own process id, also on Ctrl-C; the kernel ends it should this process be killed. KEEP=1 leaves the folder with its logs.
package main
