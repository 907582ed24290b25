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
	// every span: emitted + Σ dropped = len(batch). It must not keep or change the batch, which
	// other emitters read at the same time.
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

// MetricsEmitter is an Emitter that may want the spans that sampling left out, since it counts calls
// and a sample of them would count wrong. An Emitter that does not implement it gets none of them.
type MetricsEmitter interface {
	// Unsampled reports whether spans with Sampled false are wanted; then those with Counted, which would
	// come for the second time, are not. It is asked once.
	Unsampled() bool
}

// Troubled is an Emitter that may be stuck inside Emit, as one that retries is, and can say why
// meanwhile. Without it the last Outcome's Err speaks for the emitter.
type Troubled interface {
	// Trouble is what keeps the emitter from sending right now, nil if nothing does. It holds no
	// secret and is called while Emit runs.
	Trouble() error
}
