package sampling

import "github.com/calltap/calltap/span"

// Chosen reports whether a share of all traces, from 0 to 1, has that one in it. All calltaps agree on it, and a larger share has
// all that is in a smaller one. It goes by a hash, because trace ids that clients make from a clock and a network card (UUID
// version 1) differ in few bits.
func Chosen(id span.TraceID, share float64) bool {
	if share >= 1 {
		return true
	}
	return float64(span.Mix(id.High, id.Low)>>11) < share*(1<<53)
}
