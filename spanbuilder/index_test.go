package spanbuilder

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// keysOf are things whose key is their value.
type keysOf []key

func (s keysOf) keyOf(number uint32) key { return s[number] }

// An index that closes its holes wrongly loses entries of other keys, or finds what is gone.
func TestAnIndexIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := make(keysOf, 300)
	for i := range all {
		all[i] = key{random.Uint64(), uint64(i)}
	}
	var x index
	want := map[key]uint32{}
	for range 100_000 {
		number := uint32(random.IntN(len(all)))
		k := all[number]
		if random.IntN(2) == 0 {
			insert(&x, all, k, number)
			want[k] = number
		} else {
			remove(&x, all, k)
			delete(want, k)
		}
		require.Equal(t, len(want), x.n)
		probe := all[random.IntN(len(all))]
		got, ok := lookup(&x, all, probe)
		number, in := want[probe]
		require.Equal(t, in, ok)
		if in {
			require.Equal(t, number, got)
		}
	}
	for k, number := range want {
		got, ok := lookup(&x, all, k)
		require.True(t, ok)
		require.Equal(t, number, got)
	}
}

func TestASlabGivesNothingTwice(t *testing.T) {
	var s slab[int]
	held := map[uint32]*int{}
	for i := range 1000 {
		number, x := s.get()
		require.NotContains(t, held, number)
		*x = i
		held[number] = x
		if i%3 == 0 {
			delete(held, number)
			s.put(number)
		}
		for number, x := range held {
			require.Same(t, x, s.at(number))
		}
	}
	require.LessOrEqual(t, int(s.next), 700)
}
