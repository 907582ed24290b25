package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// compareLengths prints how long each build took as calltap inferred it and as nova recorded it. Nova's begin and end
// are times of its conductor, when it was told of them.
func (s *stage) compareLengths(boots []booted) {
	fmt.Printf("\nlength of %s, inferred from its last call, beside nova's own record of the build\n", build)
	fmt.Printf("  %-12s %10s %10s %12s\n", "boot", "calltap", "nova", "difference")
	var shares []float64
	for i, b := range boots {
		inferred, err := b.trace.find("CONSUMER", build)
		if err != nil {
			continue
		}
		var e event
		if e, err = s.buildEvent(b.server, b.computeID); err != nil {
			s.check("length", "nova's record", err)
			continue
		}
		truth, err := e.length()
		if err != nil {
			s.check("length", "nova's record", err)
			continue
		}
		diff := length(inferred) - truth
		shares = append(shares, float64(diff)/float64(truth))
		fmt.Printf("  %-12d %7.0f ms %7.0f ms %+9.0f ms\n", i+1, ms(length(inferred)), ms(truth), ms(diff))
	}
	if len(shares) > 0 {
		fmt.Printf("  median difference %+.1f %% of nova's length\n", 100*median(shares))
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
