package emit

import (
	"sync"
	"sync/atomic"

	"github.com/calltap/calltap/span"
)

// batch is a run of spans on its way to all emitters. The slice is shared: nobody writes to it before all have let it go.
type batch struct {
	spans []span.Span
	bytes int    // estimated
	block *block // whose memory spans is; nil if it is the batch's own
}

// keep says that one more has the batch.
func (b *batch) keep() {
	if b.block != nil {
		b.block.holders.Add(1)
	}
}

// letGo says that one less has it. Who forgets to costs a block to the garbage collector, and no more.
func (b *batch) letGo() {
	if b.block != nil && b.block.holders.Add(-1) == 0 {
		b.block.rack.put(b.block)
	}
	b.block = nil
}

// block is the memory of a batch, used again: to make it new for each would be more garbage than all else that a
// span costs.
type block struct {
	rack    *rack
	holders atomic.Int32 // the queues that have a batch of it, and the workers
	room    []span.Span  // of length 0
}

// racks are for blocks of the largest size, of half of it, and so on.
type racks []rack

// smallest is the least size of a block, in spans.
const smallest = 8

func newRacks(largest int) (r racks) {
	for size := largest; size >= smallest || size == largest; size /= 2 {
		r = append(r, rack{size: size})
	}
	return r
}

// batch makes an empty batch for n spans at least, no more than the largest block has room for, held once. No block is less than half
// full of them; so few that one would be have a batch of their exact size.
func (r racks) batch(n int) batch {
	i := len(r) - 1
	if n < r[i].size/2 {
		return batch{spans: make([]span.Span, 0, n)}
	}
	for i > 0 && r[i].size < n {
		i--
	}
	b := r[i].take()
	b.holders.Store(1)
	return batch{spans: b.room, block: b}
}

// tick drops, once a period, what was not needed in it.
func (r racks) tick() {
	for i := range r {
		r[i].tick()
	}
}

// rack has the blocks of a size that nobody uses. It is bounded by its use: what a period did not need is given to the collector.
type rack struct {
	mu     sync.Mutex
	size   int // spans a block
	free   []*block
	least  int // how many were free at the worst moment of this period
	rested int // ticks since it began
}

// period is how many ticks a block may lie idle.
const period = 64

func (r *rack) take() *block {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.free) - 1
	if last < 0 {
		r.least = 0
		return &block{rack: r, room: make([]span.Span, 0, r.size)}
	}
	b := r.free[last]
	r.free[last] = nil
	r.free = r.free[:last]
	r.least = min(r.least, last)
	return b
}

// put takes a block back. It is cleared, since it would keep the strings of spans long gone.
func (r *rack) put(b *block) {
	clear(b.room[:cap(b.room)])
	r.mu.Lock()
	r.free = append(r.free, b)
	r.mu.Unlock()
}

func (r *rack) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rested++; r.rested < period {
		return
	}
	kept := len(r.free) - r.least
	clear(r.free[kept:])
	r.free = r.free[:kept]
	r.least, r.rested = kept, 0
}
