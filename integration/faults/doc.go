// Package faults tests what calltap, and whatever it watches, makes of a broker that fails, a network that fails, a calltap
// that hangs, and messages that mean harm. All parts are real; only the network's faults are made here.
//
//	caller ──► exchange nova ──► queue compute ──► service      programs that RPC in oslo's form,
//	  ▲  ▲          │ RabbitMQ                        │         with publisher confirms and mandatory messages
//	  │  └─confirm──┤ ◄───────────── reply ───────────┘
//	  │    return   │ firehose
//	  │             ▼
//	  │           proxy (black hole, trickle, reset, cut) ──► calltap ──► its store, StatsD
//	  │                                                          ▲
//	  └── what the programs saw: results, latencies              └── HTTP clients, all the while
//
// Each test asserts both what the programs saw and what calltap saw. Latencies are compared within one run, as ratios.
// CALLTAP_LONG=1 freezes calltap for a whole minute, and waits until the tap itself looks at a cluster's nodes again.
package faults
