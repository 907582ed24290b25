package spanbuilder

import "math/rand/v2"

// index finds numbered things by their keys: open addressing with linear probing, eight bytes a slot, and nothing that the
// collector need look at. A Go map of the same would take a tenth of an open call.
type index struct {
	slots []entry
	n     int
	seed  uint64 // keys are hashes without a seed: who publishes could aim at one slot
}

// entry is half of the hash of a key, and its number + 1. Zero is free.
type entry uint64

func (e entry) hash() uint32   { return uint32(e >> 32) }
func (e entry) number() uint32 { return uint32(e) - 1 }

// keyed are the things of an index: each number's key.
type keyed interface{ keyOf(number uint32) key }

const leastSlots = 64

func (x *index) hash(k key) uint32 { return uint32(mix(k.low^x.seed, k.high) >> 32) }

func (x *index) mask() int { return len(x.slots) - 1 }

// find returns the slot of k, or the free one where it belongs.
func find[T keyed](x *index, of T, k key) int {
	hash := x.hash(k)
	at := int(hash) & x.mask()
	for x.slots[at] != 0 && (x.slots[at].hash() != hash || of.keyOf(x.slots[at].number()) != k) {
		at = (at + 1) & x.mask()
	}
	return at
}

func lookup[T keyed](x *index, of T, k key) (number uint32, ok bool) {
	if x.n == 0 {
		return 0, false
	}
	e := x.slots[find(x, of, k)]
	return e.number(), e != 0
}

// insert says that k is of that number from now on.
func insert[T keyed](x *index, of T, k key, number uint32) {
	if 5*(x.n+1) > 4*len(x.slots) {
		x.grow()
	}
	at := find(x, of, k)
	if x.slots[at] == 0 {
		x.n++
	}
	x.slots[at] = entry(x.hash(k))<<32 | entry(number+1)
}

func (x *index) grow() {
	old := x.slots
	if old == nil {
		x.seed = rand.Uint64()
	}
	x.slots = make([]entry, max(2*len(old), leastSlots))
	for _, e := range old {
		if e == 0 {
			continue
		}
		at := int(e.hash()) & x.mask()
		for x.slots[at] != 0 {
			at = (at + 1) & x.mask()
		}
		x.slots[at] = e
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
	for at := (hole + 1) & x.mask(); x.slots[at] != 0; at = (at + 1) & x.mask() {
		home := int(x.slots[at].hash()) & x.mask()
		if (at-home)&x.mask() >= (at-hole)&x.mask() {
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

// few gives out new Ts that nobody takes back: the collector does, which is safe whoever may still refer to them. They are allocated
// a few at a time. One that is kept for long keeps its neighbours, so they are not many.
type few[T any] struct{ left []T }

const fewAtATime = 8

func (f *few[T]) get() *T {
	if len(f.left) == 0 {
		f.left = make([]T, fewAtATime)
	}
	x := &f.left[0]
	f.left = f.left[1:]
	return x
}

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
