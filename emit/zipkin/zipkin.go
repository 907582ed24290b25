package zipkin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

// DroppedRejected is this emitter's reason for spans that the server refuses, beside emit.DroppedShutdown.
const DroppedRejected = "rejected"

// Emitter is an emit.Emitter that posts to Zipkin.
type Emitter struct {
	url      *url.URL
	header   http.Header
	client   *http.Client
	compress bool
	timeout  time.Duration
	back     backoff
	body     body
	trouble  atomic.Pointer[error]
}

// New makes an emitter of a Config, which it validates. It contacts nobody.
func New(c Config) (*Emitter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	u, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	e := &Emitter{
		url:      u,
		client:   newClient(),
		compress: c.compress(u),
		timeout:  c.Timeout,
		back:     defaultBackoff,
	}
	if e.timeout == 0 {
		e.timeout = 10 * time.Second
	}
	e.header = header(c.Header, u.User, e.compress)
	u.User = nil // from here on no error can quote it
	return e, nil
}

// Name is "zipkin".
func (e *Emitter) Name() string { return "zipkin" }

// Trouble is what made the last POST fail, nil once one succeeds.
func (e *Emitter) Trouble() error {
	if err := e.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Close closes the idle connections.
func (e *Emitter) Close() error {
	e.client.CloseIdleConnections()
	return nil
}

// Emit posts the batch, in several parts if it is larger than a body may be, and repeats each part
// until its fate is known.
func (e *Emitter) Emit(ctx context.Context, batch []span.Span) emit.Outcome {
	out := emit.Outcome{Dropped: map[string]int{}}
	for len(batch) > 0 {
		data, n := e.body.encode(batch, e.compress)
		switch err := e.deliver(ctx, data); {
		case err == nil:
			out.Emitted += n
		case errors.Is(err, errRejected):
			out.Dropped[DroppedRejected] += n
			out.Err = err
		default:
			out.Dropped[emit.DroppedShutdown] += len(batch)
			out.Err = err
			return out
		}
		batch = batch[n:]
	}
	return out
}

// deliver posts data until the server takes it (nil), refuses it (errRejected) or ctx ends.
func (e *Emitter) deliver(ctx context.Context, data []byte) error {
	for try := 0; ; try++ {
		after, err := e.post(ctx, data)
		if err == nil {
			e.trouble.Store(nil)
			return nil
		}
		if errors.Is(err, errRejected) {
			e.trouble.Store(nil) // the server is well; the Outcome tells what it refused
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("zipkin: stopped while sending: %w", context.Cause(ctx))
		}
		e.trouble.Store(&err)
		if !wait(ctx, e.back.pause(try, after)) {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
