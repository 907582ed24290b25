package spanbuilder

import (
	"math/bits"

	"github.com/calltap/calltap/span"
)

// sampled decides whether a trace is sent to tracers: as the caller decided, else by ratio. The
// ratio is of a hash of the trace id, so that every calltap with the same ratio decides alike. It is a hash, because
// trace ids that clients make from a clock and a network card (UUID version 1) differ in few bits.
func sampled(t span.TraceID, d Decision, ratio float64) bool {
	switch d {
	case Deny:
		return false
	case Accept, Debug:
		return true
	}
	if ratio >= 1 {
		return true
	}
	return float64(mix(t.High, t.Low)>>11) < ratio*(1<<53)
}

// mix folds two words into one in which every bit depends on all of theirs.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	x := hi ^ lo ^ a ^ bits.RotateLeft64(b, 32)
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
