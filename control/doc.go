// Package control holds what an operator changed about tracing while it runs: switched off, thinned out, or narrowed to what is being
// looked for, for all or for one site or key, for good or for a time.
//
// What enters: a Switch. What leaves: a Snapshot, which says of a request or a span whether and how often it is traced. A
// Snapshot never changes; each change, and each end of a time limit, makes a new one. Without any switch there is none (nil), so that
// asking costs a request one atomic load:
//
//	operator ─► Table.Set ─► Snapshot ◄─ handler: Off, Share        at the beginning of a request
//	               ▲                  ◄─ handler, RPC: Key          when its key is known
//	         timer at the next Until
//
// The narrower switch holds: of a key before of a site before of all; among equals the later one. Switches live as long as
// the process and are no part of the configuration: a reload leaves them alone, a restart ends them.
package control
