package emit

import (
	"context"

	"github.com/calltap/calltap/span"
)

// Emitter sends batches somewhere. One goroutine calls Emit, never two at a time.
type Emitter interface {
	// Name is a short word for the status page and logs: zipkin, statsd, log, store.
	Name() string
	// Emit sends the batch, retrying as it sees fit until ctx ends. It reports what became of
	// every span: emitted + Σ dropped = len(batch). It must not keep or change the batch.
	Emit(ctx context.Context, batch []span.Span) Outcome
	// Close releases sockets and files after the last Emit.
	Close() error
}

// Outcome is the fate of one batch.
type Outcome struct {
	Emitted int
	Dropped map[string]int // by reason, nil if none
	Err     error          // for the log, at most once a while; holds no secret
}

// Account is one emitter's books. At any moment Accepted = Emitted + Queued + Σ Dropped.
type Account struct {
	Name     string           `json:"name"`
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
	LastErr  string           `json:"last_error,omitempty"`
}

// Status is the pipeline's books: one Account an emitter, and their sums.
type Status struct {
	Accepted int64            `json:"accepted"`
	Emitted  int64            `json:"emitted"`
	Queued   int64            `json:"queued"`
	Dropped  map[string]int64 `json:"dropped"`
	Emitters []Account        `json:"emitters"`
}
