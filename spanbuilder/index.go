package spanbuilder

import "math/rand/v2"

// index finds numbered things by their keys: open addressing with linear probing, four bytes a slot, and nothing that the
// collector need look at. A Go map of the same would cost as much as a third of an open call.
type index struct {
	slots []uint32 // number + 1; zero is free
	n     int
	seed  uint64 // keys are hashes without a seed: who publishes could aim at one slot
}

// keyed are the things of an index: each number's key.
type keyed interface{ keyOf(number uint32) key }

const leastSlots = 64

func (x *index) slot(k key) int { return int(mix(k.low, x.seed)) & (len(x.slots) - 1) }

// find returns the slot of k, or the free one where it belongs.
func find[T keyed](x *index, of T, k key) int {
	at := x.slot(k)
	for x.slots[at] != 0 && of.keyOf(x.slots[at]-1) != k {
		at = (at + 1) & (len(x.slots) - 1)
	}
	return at
}

func lookup[T keyed](x *index, of T, k key) (number uint32, ok bool) {
	if x.n == 0 {
		return 0, false
	}
	v := x.slots[find(x, of, k)]
	return v - 1, v != 0
}

// insert says that k is of that number from now on.
func insert[T keyed](x *index, of T, k key, number uint32) {
	if 4*(x.n+1) > 3*len(x.slots) {
		grow(x, of)
	}
	at := find(x, of, k)
	if x.slots[at] == 0 {
		x.n++
	}
	x.slots[at] = number + 1
}

func grow[T keyed](x *index, of T) {
	old := x.slots
	if old == nil {
		x.seed = rand.Uint64()
	}
	x.slots = make([]uint32, max(2*len(old), leastSlots))
	for _, v := range old {
		if v != 0 {
			x.slots[find(x, of, of.keyOf(v-1))] = v
		}
	}
}

// remove forgets k. Those behind it move up, so that no probe ends before it finds what it looks for.
func remove[T keyed](x *index, of T, k key) {
	if x.n == 0 {
		return
	}
	hole := find(x, of, k)
	if x.slots[hole] == 0 {
		return
	}
	x.n--
	mask := len(x.slots) - 1
	for at := (hole + 1) & mask; x.slots[at] != 0; at = (at + 1) & mask {
		home := x.slot(of.keyOf(x.slots[at] - 1))
		if (at-home)&mask >= (at-hole)&mask {
			x.slots[hole], hole = x.slots[at], at
		}
	}
	x.slots[hole] = 0
}

// slab hands out numbered Ts and takes them back. They come from chunks, so that many are few allocations, and stay where
// they are.
type slab[T any] struct {
	chunks []*[slabChunk]T
	free   []uint32
	next   uint32
}

const slabChunk = 64

func (s *slab[T]) at(number uint32) *T { return &s.chunks[number/slabChunk][number%slabChunk] }

// get returns a T as it was left, new ones zero.
func (s *slab[T]) get() (uint32, *T) {
	if n := len(s.free); n > 0 {
		number := s.free[n-1]
		s.free = s.free[:n-1]
		return number, s.at(number)
	}
	if s.next%slabChunk == 0 {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	s.next++
	return s.next - 1, s.at(s.next - 1)
}

func (s *slab[T]) put(number uint32) { s.free = append(s.free, number) }

// pool is a slab of Ts that nobody numbers.
type pool[T any] struct{ free []*T }

func (s *pool[T]) get() *T {
	if len(s.free) == 0 {
		chunk := new([slabChunk]T)
		for i := range chunk {
			s.free = append(s.free, &chunk[i])
		}
	}
	last := len(s.free) - 1
	x := s.free[last]
	s.free = s.free[:last]
	return x
}

// put takes x back, cleared.
func (s *pool[T]) put(x *T) {
	var zero T
	*x = zero
	s.free = append(s.free, x)
}
