package caddymodule

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/emit/statsd"
	"github.com/calltap/calltap/emit/zipkin"
)

// pipeline is an emit.Pipeline that configurations with the same sinks share.
type pipeline struct {
	*emit.Pipeline
	logger  *zap.Logger
	log     *logEmitter // nil without the sink
	exiting atomic.Bool // the process is: Destruct must be quick
}

// newPipeline makes the sinks. Nothing is dialled or opened before the first span.
func newPipeline(sinks *sinkSettings, store *sharedStore, logger *zap.Logger) (*pipeline, error) {
	p := &pipeline{logger: logger}
	emitters, err := p.newEmitters(sinks, store)
	if err != nil {
		return nil, err
	}
	opts := emit.Options{OnTrouble: p.onTrouble}
	if q := sinks.Queue; q != nil {
		opts.MaxSpans, opts.MaxBytes, opts.MaxBatch, opts.Interval = q.MaxSpans, int(q.MaxBytes), q.MaxBatch, time.Duration(q.Interval)
	}
	p.Pipeline = emit.New(opts, emitters...)
	return p, nil
}

// onTrouble says once that a sink fails, a reminder each minute, and once that it works again.
func (p *pipeline) onTrouble(sink string, err error) {
	if err == nil {
		p.logger.Info("sink works again", zap.String("sink", sink))
		return
	}
	p.logger.Warn("sink fails; its spans wait in a bounded queue or, where they cannot, are dropped and counted",
		zap.String("sink", sink), zap.Error(err))
}

// Destruct implements caddy.Destructor: it sends what is queued, within a time, and closes the sinks.
func (p *pipeline) Destruct() error {
	limit := reloadFlush
	if p.exiting.Load() || caddy.Exiting() {
		limit = exitFlush
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	if err := p.Close(ctx); err != nil {
		p.logger.Error("spans were lost at the end of a sink",
			zap.Error(err), zap.Duration("waited", time.Since(began)), zap.Any("dropped", p.Status().Dropped))
	}
	return nil
}

// newEmitters makes one emitter for each sink that is set. None of them has anything to close yet.
func (p *pipeline) newEmitters(sinks *sinkSettings, store *sharedStore) (all []emit.Emitter, err error) {
	if sinks.Zipkin != nil {
		e, err := zipkin.New(sinks.Zipkin.config())
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if sinks.StatsD != nil {
		e, err := statsd.New(sinks.StatsD.config())
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if sinks.Log != nil {
		p.log = &logEmitter{config: sinks.Log.config()}
		all = append(all, p.log)
	}
	if store != nil {
		all = append(all, store)
	}
	return all, nil
}

// open opens what must be there from the start on. It may be called again.
func (p *pipeline) open() error {
	if p.log == nil {
		return nil
	}
	return p.log.open()
}
