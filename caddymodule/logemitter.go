package caddymodule

import (
	"context"
	"fmt"
	"sync"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/emit/log"
	"github.com/calltap/calltap/span"
)

// logEmitter is emit/log's emitter, opened when the configuration starts. emit/log opens its file when it
// is made, which is too early: `caddy validate` makes everything and must leave no file behind.
type logEmitter struct {
	config log.Config

	mu    sync.Mutex // guards inner, which Start may open while the first batch comes
	inner *log.Emitter
}

// open opens the stream unless it is open.
func (l *logEmitter) open() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil {
		return nil
	}
	inner, err := log.New(l.config)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	l.inner = inner
	return nil
}

// Name implements emit.Emitter.
func (l *logEmitter) Name() string { return "log" }

// Emit implements emit.Emitter. Requests may come in before the configuration has started.
func (l *logEmitter) Emit(ctx context.Context, batch []span.Span) emit.Outcome {
	if err := l.open(); err != nil {
		return emit.Outcome{Dropped: map[string]int{log.DroppedWrite: len(batch)}, Err: err}
	}
	return l.inner.Emit(ctx, batch)
}

// Close implements emit.Emitter.
func (l *logEmitter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner == nil {
		return nil
	}
	return l.inner.Close()
}
