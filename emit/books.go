package emit

// Account is one emitter's books. At any moment Accepted = Emitted + Queued + Σ Dropped.
type Account struct {
	Name     string           `json:"name"`
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
	LastErr  string           `json:"last_error,omitempty"`
}

// Status is the pipeline's books: one Account an emitter, and their sums. A span counts once for each
// emitter that gets it, so with two emitters the sums are twice the spans.
type Status struct {
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
	Emitters []Account        `json:"emitters"`
}

// The reasons for which the pipeline itself drops a span. Emitters add their own.
const (
	DroppedInvalid     = "invalid"
	DroppedQueueFull   = "queue_full"
	DroppedClosed      = "closed"
	DroppedShutdown    = "shutdown"
	DroppedPanic       = "panic"
	DroppedUnaccounted = "unaccounted"
)

// door names what happens to a span in Offer. The first are reasons, kept as an array since Offer
// must neither hash nor allocate.
type door uint8

const (
	doorInvalid door = iota
	doorFull
	doorClosed
	doorReasons // how many there are
	doorOpen    = doorReasons
)

var doorNames = [doorReasons]string{DroppedInvalid, DroppedQueueFull, DroppedClosed}

// Status returns the books as of one moment. The moment is made by stopping the three places where a
// span can be, each with its counters: the move from shards to queues, every shard, every queue.
// Nothing is calculated from anything else, so that a span that were lost or doubled on its way would
// show here as books that do not balance.
func (p *Pipeline) Status() Status {
	st := Status{Dropped: map[string]int64{}, Emitters: make([]Account, len(p.queues))}
	p.stopTheWorld()
	for i, q := range p.queues {
		a := q.account()
		for j := range p.shards {
			p.shards[j].addTo(&a, q.wants)
		}
		st.Emitters[i] = a
	}
	p.startTheWorld()

	for i, q := range p.queues {
		a := &st.Emitters[i]
		if err := q.trouble(); err != nil {
			a.LastErr = err.Error()
		}
		st.Accepted += a.Accepted
		st.Emitted += a.Emitted
		st.Queued += a.Queued
		for reason, n := range a.Dropped {
			st.Dropped[reason] += n
		}
	}
	return st
}

// stopTheWorld takes every lock there is, in the order in which a span meets them.
func (p *Pipeline) stopTheWorld() {
	p.moving.Lock()
	for i := range p.shards {
		p.shards[i].mu.Lock()
	}
	for _, q := range p.queues {
		q.mu.Lock()
	}
}

func (p *Pipeline) startTheWorld() {
	for _, q := range p.queues {
		q.mu.Unlock()
	}
	for i := range p.shards {
		p.shards[i].mu.Unlock()
	}
	p.moving.Unlock()
}

// settle makes an emitter's word add up to the n spans that it was given: whatever it forgot is
// unaccounted, whatever it claims beyond n is not believed.
func settle(out Outcome, n int) (emitted int, dropped map[string]int) {
	left := n
	take := func(claimed int) int {
		claimed = max(0, min(claimed, left))
		left -= claimed
		return claimed
	}
	dropped = make(map[string]int, len(out.Dropped))
	for reason, claimed := range out.Dropped {
		if k := take(claimed); k > 0 {
			dropped[reason] += k
		}
	}
	emitted = take(out.Emitted)
	if left > 0 {
		dropped[DroppedUnaccounted] += left
	}
	return emitted, dropped
}
