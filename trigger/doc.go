// Package trigger decides whether a request may force its own trace, by a header that only who has a key can make.
//
// What enters: header values as they came, and the time. What leaves: a Verdict and, if it is Valid, the trace that
// the request is to be. It does no I/O and reads no clock.
//
//	X-Trace-Info, X-Trace-HMAC ─► osprofiler.go ─┐
//	                                             ├─► mac ─► expiry ─► replay ─► rate ─► Verdict
//	X-Calltap-Trigger ──────────► own.go ────────┘
//
// Two forms are understood. OSProfiler's, which `openstack --os-profile KEY` and its Python library send: it has neither
// expiry nor nonce, so who sees one can send it again, and only the rate bounds that. And calltap's own, which expires, and which
// each process takes once.
//
// # Failure behaviour
//
// Nothing here fails a request: what is not valid is a Verdict to be counted, and the request goes on as if the header were not
// there. Lengths are checked before anything is parsed, macs are compared in constant time and against all keys whichever fits, and the
// table of what was seen is bounded: full, it refuses.
package trigger
