package emit

import (
	"context"
	"sync"

	"github.com/calltap/calltap/span"
)

// queue is what one emitter has still to send:
//
//	batches:  [ b b b | b b b b b ]        push appends at the right,
//	          done^    head               take and dropOldest remove at head
//
// Batches are taken as they are when they are large; a row of small ones, as an idle service leaves
// behind while a collector is down, is put together into one. mu guards everything below it.
type queue struct {
	emitter Emitter
	name    string
	wants   [lanes]bool
	lim     *limits
	wake    chan struct{} // holds one token if there may be something to take
	done    chan struct{} // closed when the worker has ended

	mu       sync.Mutex
	batches  []batch
	head     int
	waiting  int   // spans in batches[head:]
	bytes    int   // their size
	flight   int   // spans in the emitter's hands
	flightB  int   // their size
	held     batch // in the emitter's hands, unless it is scratch
	emitted  int64
	dropped  map[string]int64
	pushed   int64         // spans that ever came in
	settled  int64         // of them, those that are emitted or dropped
	progress chan struct{} // closed when settled grows; nil while nobody waits
	closing  bool          // nothing will be pushed any more
	err      error         // of the last batch

	scratch []span.Span // the worker's own: small batches put together
}

func newQueue(e Emitter, lim *limits) *queue {
	q := &queue{
		emitter: e,
		name:    e.Name(),
		lim:     lim,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		dropped: map[string]int64{},
	}
	q.wants = [lanes]bool{traced: true, tracersOnly: true}
	if m, ok := e.(MetricsEmitter); ok && m.Unsampled() {
		q.wants = [lanes]bool{traced: true, metricsOnly: true}
	}
	return q
}

// push adds a batch and, if the queue is then over its bounds, drops the oldest spans that wait. What
// the emitter has in its hands counts against the bounds but cannot be dropped.
func (q *queue) push(b batch) {
	q.mu.Lock()
	q.batches = append(q.batches, b)
	q.waiting += len(b.spans)
	q.bytes += b.bytes
	q.pushed += int64(len(b.spans))
	for q.waiting > 0 && (q.waiting+q.flight > q.lim.queueSpans || q.bytes+q.flightB > q.lim.queueBytes) {
		q.dropOldest()
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) dropOldest() {
	first := &q.batches[q.head]
	size := first.spans[0].Size()
	q.cut(first, 1, size)
	q.drop(DroppedQueueFull, 1)
}

// cut removes the first n spans of the head batch, of the given size in all.
func (q *queue) cut(first *batch, n, size int) {
	q.waiting -= n
	q.bytes -= size
	first.spans = first.spans[n:]
	first.bytes -= size
	if len(first.spans) > 0 {
		return
	}
	first.letGo()
	*first = batch{}
	q.head++
	if q.head == len(q.batches) || q.head > 64 && q.head > len(q.batches)/2 {
		kept := copy(q.batches, q.batches[q.head:])
		clear(q.batches[kept:])
		q.batches, q.head = q.batches[:kept], 0
	}
}

// drop counts n spans that have left the queue or the emitter's hands without being sent.
func (q *queue) drop(reason string, n int) {
	q.dropped[reason] += int64(n)
	q.settle(n)
}

func (q *queue) settle(n int) {
	q.settled += int64(n)
	if q.progress != nil {
		close(q.progress)
		q.progress = nil
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for spans and moves up to a batch of them into the emitter's hands. It returns nil when
// the queue is closed and empty, or when ctx has ended.
func (q *queue) take(ctx context.Context) []span.Span {
	for {
		if ctx.Err() != nil {
			return nil
		}
		q.mu.Lock()
		if q.waiting > 0 {
			spans := q.takeLocked()
			q.mu.Unlock()
			return spans
		}
		closing := q.closing
		q.mu.Unlock()
		if closing {
			return nil
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
		}
	}
}

func (q *queue) takeLocked() []span.Span {
	first := &q.batches[q.head]
	n := len(first.spans)
	if n == q.waiting || n >= q.lim.batch/2 {
		q.held = q.takeHead(min(n, q.lim.batch))
		return q.held.spans
	}
	q.scratch = q.scratch[:0]
	for q.waiting > 0 {
		n := len(q.batches[q.head].spans)
		if len(q.scratch)+n > q.lim.batch {
			break
		}
		b := q.takeHead(n)
		q.scratch = append(q.scratch, b.spans...)
		b.letGo()
	}
	return q.scratch
}

// takeHead moves the first n spans of the head batch into the emitter's hands, which hold it then.
func (q *queue) takeHead(n int) batch {
	first := &q.batches[q.head]
	taken := batch{spans: first.spans[:n:n], bytes: first.bytes, block: first.block}
	taken.keep()
	if n < len(first.spans) {
		taken.bytes = sizeOf(taken.spans)
	}
	q.flight += n
	q.flightB += taken.bytes
	q.cut(first, n, taken.bytes)
	return taken
}

func sizeOf(spans []span.Span) int {
	size := 0
	for i := range spans {
		size += spans[i].Size()
	}
	return size
}

// book writes down what became of the spans in the emitter's hands.
func (q *queue) book(out Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	emitted, dropped := settle(out, q.flight)
	q.flight, q.flightB = 0, 0
	q.err = out.Err
	q.emitted += int64(emitted)
	q.settle(emitted)
	for reason, n := range dropped {
		q.drop(reason, n)
	}
	clear(q.scratch)
	q.held.letGo()
	q.held = batch{}
}

// close says that nothing will be pushed any more; the worker ends when it has emptied the queue.
func (q *queue) close() {
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.signal()
}

// abandon drops everything that waits. What an emitter has in its hands stays on the books as queued
// until the emitter says what became of it, if ever.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting > 0 {
		n := q.waiting
		q.batches, q.head, q.waiting, q.bytes = nil, 0, 0, 0
		q.drop(DroppedShutdown, n)
	}
}

// flushed waits until everything that had been pushed before the call is settled.
func (q *queue) flushed(ctx context.Context) error {
	q.mu.Lock()
	target := q.pushed
	for q.settled < target {
		if q.progress == nil {
			q.progress = make(chan struct{})
		}
		progress := q.progress
		q.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.mu.Lock()
	}
	q.mu.Unlock()
	return nil
}

// account is the queue's part of the emitter's books. The caller holds mu.
func (q *queue) account() Account {
	a := Account{
		Name:    q.name,
		Emitted: q.emitted,
		Queued:  int64(q.waiting + q.flight),
		Dropped: make(map[string]int64, len(q.dropped)+int(doorReasons)),
	}
	for reason, n := range q.dropped {
		a.Dropped[reason] = n
	}
	return a
}
