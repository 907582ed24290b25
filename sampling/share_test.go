package sampling

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// ids are ways in which trace ids come about.
var ids = map[string]func(i uint64) span.TraceID{
	"random":              func(uint64) span.TraceID { return span.TraceID{High: rand.Uint64(), Low: rand.Uint64()} },
	"64 bits":             func(uint64) span.TraceID { return span.TraceID{Low: rand.Uint64()} },
	"counted":             func(i uint64) span.TraceID { return span.TraceID{Low: i + 1} },
	"a clock and a card":  func(i uint64) span.TraceID { return span.TraceID{High: i<<32 | 0x11ef, Low: 0x8000_0242_ac11_0002} },
	"a clock's high bits": func(i uint64) span.TraceID { return span.TraceID{High: (1_790_000_000 + i) << 32, Low: 7} },
}

// The share is what was asked for, within what chance allows (five standard deviations of a binomial), whatever the ids are like.
func TestAShareIsOfTheRightSizeForAnyKindOfID(t *testing.T) {
	const n = 100_000
	for kind, id := range ids {
		for _, share := range []float64{0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999, 1} {
			chosen := 0
			for i := range uint64(n) {
				if Chosen(id(i), share) {
					chosen++
				}
			}
			bound := 5 * math.Sqrt(n*share*(1-share))
			require.InDelta(t, n*share, chosen, bound, "%s, %v", kind, share)
		}
	}
}

// Two calltaps agree on what both record, and one with a larger share has all of what another has.
func TestCalltapsAgree(t *testing.T) {
	for range 100_000 {
		id := span.TraceID{High: rand.Uint64(), Low: rand.Uint64()}
		a, b := rand.Float64(), rand.Float64()
		here, there := Head{Share: min(a, b)}, Head{Share: max(a, b), Alone: true}
		require.Equal(t, here.Takes(id), Chosen(id, here.Share))
		if here.Takes(id) {
			require.True(t, there.Takes(id))
		}
	}
}

// What is recorded by one release must be by the next, or a rolling upgrade tears traces apart.
func TestWhatIsChosenNeverChanges(t *testing.T) {
	for id, at := range map[span.TraceID]float64{
		{Low: 1}: 0.1170074508579888,
		{High: 0x463ac35c9f6413ad, Low: 0x48485a3953bb6124}: 0.0850730600579569,
		{High: 0x4bf92f3577b34da6, Low: 0xa3ce929d0e0e4736}: 0.2584285750149936,
		{High: math.MaxUint64, Low: math.MaxUint64}:         0.3156168955807771,
		{High: 0x5759e988bd862e3f, Low: 0xe1be46a994272793}: 0.283160818272742,
		{High: 0x1111111122223333, Low: 0x4444555555555555}: 0.5997320806405614,
	} {
		require.False(t, Chosen(id, at), "%s", id)
		require.True(t, Chosen(id, math.Nextafter(at, 1)), "%s", id)
	}
}

func TestAHeadWithNothingInItRecordsNothing(t *testing.T) {
	var h Head
	for range 1000 {
		require.False(t, h.Takes(span.TraceID{High: rand.Uint64(), Low: rand.Uint64()}))
	}
}

func TestARulesShareTakesThePlaceOfTheSites(t *testing.T) {
	rate := NewRate(1, 1)
	site := Head{Share: 0.1, Rate: rate, Alone: true}
	require.Equal(t, Head{Share: 0.5, Rate: rate, Alone: true}, site.Ruled(0.5, false), "the rate bounds it still")
	require.Equal(t, Head{Share: 1, Alone: true, Final: true}, site.Ruled(1, true), "always is always")
}
