package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// estimate is the median of per-round ratios with the 95 % interval of that median.
type estimate struct {
	median, low, high float64
	rounds            int
}

func (e estimate) String() string {
	return fmt.Sprintf("95%% CI [%s-%s], %d rounds", number(e.low), number(e.high), e.rounds)
}

// resamples of the bootstrap: enough for two stable digits of a 95 % interval.
const resamples = 2000

// medianCI gives the median of values and its percentile-bootstrap interval. Slices of a shared
// machine are neither normal nor free of outliers, so nothing here assumes a distribution.
func medianCI(values []float64, rng *rand.Rand) estimate {
	if len(values) == 0 {
		return estimate{}
	}
	medians := make([]float64, resamples)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[rng.IntN(len(values))]
		}
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	return estimate{
		median: median(values),
		low:    medians[resamples*25/1000],
		high:   medians[resamples*975/1000],
		rounds: len(values),
	}
}

// median does not change its argument.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// quotients divides element by element: round i of a by round i of b.
func quotients(a, b []float64) []float64 {
	out := make([]float64, 0, len(a))
	for i := range a {
		if b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

// geometric is the mean of two subjects round by round, in the sense that suits ratios.
func geometric(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = math.Sqrt(a[i] * b[i])
	}
	return out
}

// scale changes the unit of an estimate.
func scale(e estimate, by float64) estimate {
	e.median, e.low, e.high = e.median*by, e.low*by, e.high*by
	return e
}
