package emit

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/calltap/calltap/span"
)

// Pipeline takes spans from any number of goroutines and gives them to every emitter. See the
// package comment for the picture and for what it promises.
type Pipeline struct {
	lim    limits
	wants  [lanes]bool // whether any emitter wants the lane
	shift  uint        // of the hash that chooses the shard
	shards []shard
	queues []*queue

	blocks racks

	moving sync.Mutex    // held while spans are between shards and queues
	full   [][]span.Span // by shard, what move took out of it; guarded by moving
	hurry  chan struct{} // holds one token if a shard fills faster than it is emptied

	sealOnce sync.Once
	sealed   chan struct{}      // closed by the first Close
	stop     context.CancelFunc // ends every Emit
	drained  chan struct{}      // closed when all goroutines have ended
}

// New starts a pipeline: one goroutine for itself and one for each emitter. It owns the emitters and
// closes each after its last batch; one that must outlive the pipeline has a Close that does nothing,
// like emit/store. It contacts nobody by itself.
func New(opts Options, emitters ...Emitter) *Pipeline {
	ctx, stop := context.WithCancel(context.Background())
	p := &Pipeline{
		lim:     opts.limits(),
		hurry:   make(chan struct{}, 1),
		sealed:  make(chan struct{}),
		stop:    stop,
		drained: make(chan struct{}),
	}
	p.shards = make([]shard, p.lim.shards)
	p.blocks = newRacks(p.lim.batch)
	p.full = make([][]span.Span, p.lim.shards)
	p.shift = uint(64 - bits.TrailingZeros(uint(p.lim.shards)))
	for _, e := range emitters {
		q := newQueue(e, &p.lim)
		p.queues = append(p.queues, q)
		for l := range p.wants {
			p.wants[l] = p.wants[l] || q.wants[l]
		}
	}
	for _, q := range p.queues {
		go q.work(ctx)
	}
	go p.run(opts.OnTrouble)
	return p
}

// Offer gives a span away. It copies *s, waits for nothing but a shard's mutex, and never fails: what
// cannot be taken is counted (see the package comment). The strings and slices in s must never change
// again.
func (p *Pipeline) Offer(s *span.Span) {
	if s == nil {
		return
	}
	l := laneOf(s)
	if !p.wants[l] {
		return
	}
	size, reason := s.Check()
	n := p.shard(s.ID).offer(l, s, size, reason == "", &p.lim)
	if n == p.lim.shardSpans/2 {
		p.hasten()
	}
}

// shard spreads spans by their id: it is random in nearly all of them, and where it is not, the
// multiplication (Fibonacci hashing) makes it so.
func (p *Pipeline) shard(id span.ID) *shard {
	const golden = 0x9e3779b97f4a7c15
	return &p.shards[uint64(id)*golden>>p.shift]
}

func (p *Pipeline) hasten() {
	select {
	case p.hurry <- struct{}{}:
	default:
	}
}

// run empties the shards after every pause, or before if one fills up, and watches over the emitters.
//
// What was put off runs at once, on the processors that serve the next requests: after a long pause under load, that is what the slowest of
// those wait for. So the pauses are short then.
func (p *Pipeline) run(onTrouble func(string, error)) {
	pause := p.lim.interval
	timer := time.NewTimer(pause)
	defer timer.Stop()
	watch := teller{tell: onTrouble, since: make([]time.Time, len(p.queues))}
	for open := true; open; {
		tick := false
		select {
		case <-timer.C:
			tick = true
			watch.look(p.queues, time.Now())
			p.blocks.tick()
		case <-p.hurry:
		case <-p.sealed:
			open = false
		}
		moved := p.move(tick)
		if tick {
			pause = p.lim.pause(pause, moved)
			timer.Reset(pause)
		}
	}
	for _, q := range p.queues {
		q.close()
	}
	for _, q := range p.queues {
		<-q.done
	}
	p.stop()
	close(p.drained)
}

// move takes what the shards hold, pushes it into the queues, and returns how many spans that were. At a tick the shards give up room that they have not needed.
func (p *Pipeline) move(tick bool) (moved int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	for l := range lanes {
		if p.wants[l] {
			moved += p.moveLane(l, tick)
		}
	}
	return moved
}

// moveLane copies the spans of all shards into batches, once for all emitters. The buffers themselves go back to the shards:
// handed on as they are, each would pin room for a thousand spans while it holds perhaps one.
func (p *Pipeline) moveLane(l lane, tick bool) (moved int) {
	full, total := p.full, 0
	for i := range p.shards {
		full[i] = p.shards[i].swap(l)
		total += len(full[i])
	}
	moved = total
	var b batch
	for i, spans := range full {
		for j := range spans {
			if b.spans == nil {
				b = p.blocks.batch(min(total, p.lim.batch))
			}
			b.spans = append(b.spans, spans[j])
			b.bytes += spans[j].Size()
			if total--; total == 0 || len(b.spans) == cap(b.spans) {
				p.push(l, b)
				b = batch{}
			}
		}
		p.shards[i].giveBack(l, spans, tick)
		full[i] = nil
	}
	return moved
}

func (p *Pipeline) push(l lane, b batch) {
	for _, q := range p.queues {
		if q.wants[l] {
			b.keep()
			q.push(b)
		}
	}
	b.letGo()
}

// Flush returns when every span offered before the call is sent or dropped, or with ctx's error when
// ctx ends.
func (p *Pipeline) Flush(ctx context.Context) error {
	p.move(false)
	for _, q := range p.queues {
		if err := q.flushed(ctx); err != nil {
			return fmt.Errorf("emit: flushing %s: %w", q.name, err)
		}
	}
	return nil
}

// afterStop is how long Close waits, when its deadline has passed, for emitters to notice it.
const afterStop = time.Second

// Close shuts the door, lets the emitters send what waits until ctx ends, and counts the rest as
// dropped{shutdown}. It returns nil if all was sent, and in any case at most a second after ctx has
// ended, even if an emitter hangs; the spans in such an emitter's hands stay queued in the books. It
// may be called again and from several goroutines; the most impatient of them decides.
func (p *Pipeline) Close(ctx context.Context) error {
	p.sealOnce.Do(func() {
		for i := range p.shards {
			p.shards[i].close()
		}
		close(p.sealed)
	})
	select {
	case <-p.drained:
	case <-ctx.Done():
		p.giveUp()
	}
	return p.leftovers()
}

// giveUp ends every Emit and drops what waits.
func (p *Pipeline) giveUp() {
	p.stop()
	p.move(false)
	for _, q := range p.queues {
		q.abandon()
	}
	timer := time.NewTimer(afterStop)
	defer timer.Stop()
	select {
	case <-p.drained:
	case <-timer.C:
	}
}

func (p *Pipeline) leftovers() error {
	var errs []error
	for _, a := range p.Status().Emitters {
		if n := a.Dropped[DroppedShutdown] + a.Queued; n > 0 {
			errs = append(errs, fmt.Errorf("emit: %s: %d spans not sent before the deadline", a.Name, n))
		}
	}
	return errors.Join(errs...)
}
