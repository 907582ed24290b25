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

// block is the memory of a large batch, used again: to make it new for each would be more garbage than all else that a
// span costs.
type block struct {
	rack    *rack
	holders atomic.Int32 // the queues that have a batch of it, and the workers
	room    []span.Span  // of length 0
}

// rack has the blocks that nobody uses. It is bounded by its use: what a period did not need is given to the collector.
type rack struct {
	mu     sync.Mutex
	size   int // spans a block
	free   []*block
	least  int // how many were free at the worst moment of this period
	rested int // ticks since it began
}

// period is how many ticks a block may lie idle.
const period = 64

// batch makes an empty batch for n spans at least, held once. One that would leave more than half of a block empty has its exact size.
func (r *rack) batch(n int) batch {
	if n < r.size/2 {
		return batch{spans: make([]span.Span, 0, n)}
	}
	b := r.take()
	b.holders.Store(1)
	return batch{spans: b.room, block: b}
}

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

// tick drops, once a period, what was not needed in it.
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
