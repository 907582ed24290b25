// Package integration tests calltap from outside, as its users meet it: by its command line, its
// Caddyfile and its ports, with real parts on the other side. See harness for the picture.
//
// The parts are started once and shared; a test that breaks a part has one of its own. Every test
// has its own calltap, and a StatsD prefix of its own.
package integration
