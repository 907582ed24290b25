package emit

import (
	"context"
	"fmt"
	"time"

	"github.com/calltap/calltap/span"
)

// work is the emitter's goroutine: it hands over one batch after the other until the queue is closed
// and empty or ctx ends, and then closes the emitter.
func (q *queue) work(ctx context.Context) {
	defer close(q.done)
	for {
		spans := q.take(ctx)
		if spans == nil {
			break
		}
		q.book(q.emit(ctx, spans))
	}
	q.abandon()
	q.closeEmitter()
}

// emit calls the emitter. A panic costs the batch, not the process: it runs inside the proxy that
// serves the operator's users.
func (q *queue) emit(ctx context.Context, spans []span.Span) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = Outcome{
				Dropped: map[string]int{DroppedPanic: len(spans)},
				Err:     panicked(v),
			}
		}
	}()
	return q.emitter.Emit(ctx, spans)
}

func (q *queue) closeEmitter() {
	defer func() {
		if v := recover(); v != nil {
			q.fail(panicked(v))
		}
	}()
	if err := q.emitter.Close(); err != nil {
		q.fail(fmt.Errorf("closing: %w", err))
	}
}

// panicked tells only the type of what was thrown, unless it is an error of the runtime: a message
// may quote the span that caused it.
func panicked(v any) error {
	if err, ok := v.(interface {
		error
		RuntimeError()
	}); ok {
		return fmt.Errorf("emitter panicked: %w", err)
	}
	return fmt.Errorf("emitter panicked with a %T", v)
}

func (q *queue) fail(err error) {
	q.mu.Lock()
	q.err = err
	q.mu.Unlock()
}

// trouble is what keeps the emitter from sending, nil if nothing is known to.
func (q *queue) trouble() error {
	if t, ok := q.emitter.(Troubled); ok {
		if err := t.Trouble(); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// repeatTrouble is how long a trouble that goes on is not told again.
const repeatTrouble = time.Minute

// teller tells OnTrouble when an emitter's trouble begins, goes on for long, and ends.
type teller struct {
	tell  func(emitter string, err error)
	since []time.Time // by queue: when its trouble was last told, zero if it has none
}

func (t *teller) look(queues []*queue, now time.Time) {
	if t.tell == nil {
		return
	}
	for i, q := range queues {
		err := q.trouble()
		switch told := t.since[i]; {
		case err == nil && !told.IsZero():
			t.since[i] = time.Time{}
			t.tell(q.name, nil)
		case err != nil && now.Sub(told) >= repeatTrouble:
			t.since[i] = now
			t.tell(q.name, err)
		}
	}
}
