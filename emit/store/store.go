package store

import (
	"context"
	"sync"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

// DroppedTraceFull is this emitter's reason for spans of a trace that is too large to keep.
const DroppedTraceFull = "trace_full"

// Options bounds a Store. The zero value is the default.
type Options struct {
	// MaxSpans is the largest number of spans kept. Default 100,000, least 100.
	MaxSpans int
	// MaxBytes bounds the memory of all traces. Default 64 MiB, least 1 MiB.
	MaxBytes int
}

// Stats tells what a Store holds.
type Stats struct {
	Traces        int   `json:"traces"`
	Spans         int   `json:"spans"`
	Bytes         int   `json:"bytes"`
	EvictedTraces int64 `json:"evicted_traces"` // that made room for newer ones
	EvictedSpans  int64 `json:"evicted_spans"`
}

// Store is an emit.Emitter that keeps spans. It may serve several pipelines at a time.
type Store struct {
	maxSpans int
	maxBytes int

	mu     sync.RWMutex
	traces map[uint64]*trace // by the low half of the trace id, as in Zipkin
	order  []uint64          // the same, in order of arrival, from first on
	first  int
	stats  Stats
	writer writer
	record []byte
}

// trace is the records of one trace. Bytes in buf never change, so a copy of the slice may be read
// without the lock while the trace grows.
type trace struct {
	buf      []byte
	spans    int
	from, to int64 // earliest and latest start, µs
}

// traceOverhead is roughly what a trace costs beside its records: struct, map entry, place in order.
const traceOverhead = 160

// New makes an empty store.
func New(o Options) *Store {
	if o.MaxSpans <= 0 {
		o.MaxSpans = 100_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	return &Store{
		maxSpans: max(o.MaxSpans, 100),
		maxBytes: max(o.MaxBytes, 1<<20),
		traces:   map[uint64]*trace{},
	}
}

// Name is "store".
func (s *Store) Name() string { return "store" }

// Close does nothing: the store belongs to whoever made it and outlives pipelines.
func (s *Store) Close() error { return nil }

// Stats returns what the store holds now.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stats
}

// Emit keeps the batch.
func (s *Store) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := emit.Outcome{}
	for i := range batch {
		if s.put(&batch[i]) {
			out.Emitted++
		}
	}
	s.writer.forget()
	if lost := len(batch) - out.Emitted; lost > 0 {
		out.Dropped = map[string]int{DroppedTraceFull: lost}
	}
	return out
}

// put keeps one span and makes room for it. The caller holds mu.
func (s *Store) put(sp *span.Span) bool {
	s.record = s.writer.append(s.record[:0], sp)
	t := s.trace(sp)
	if t.spans >= s.maxSpans/10 || len(t.buf)+len(s.record) > s.maxBytes/10 {
		return false
	}
	before := cap(t.buf)
	t.buf = append(t.buf, s.record...)
	t.spans++
	t.from, t.to = min(t.from, sp.Start), max(t.to, sp.Start)
	s.stats.Spans++
	s.stats.Bytes += cap(t.buf) - before
	for s.stats.Spans > s.maxSpans || s.stats.Bytes > s.maxBytes {
		s.evict()
	}
	return true
}

func (s *Store) trace(sp *span.Span) *trace {
	t := s.traces[sp.TraceID.Low]
	if t == nil {
		t = &trace{from: sp.Start, to: sp.Start}
		s.traces[sp.TraceID.Low] = t
		s.order = append(s.order, sp.TraceID.Low)
		s.stats.Traces++
		s.stats.Bytes += traceOverhead
	}
	return t
}

// evict removes the trace that began to arrive first. Zipkin takes the one with the earliest time;
// here a client whose clock is years ahead would keep its traces for ever.
func (s *Store) evict() {
	low := s.order[s.first]
	t := s.traces[low]
	delete(s.traces, low)
	s.first++
	if s.first > len(s.order)/2 {
		s.order = s.order[:copy(s.order, s.order[s.first:])]
		s.first = 0
	}
	s.stats.Traces--
	s.stats.Spans -= t.spans
	s.stats.Bytes -= cap(t.buf) + traceOverhead
	s.stats.EvictedTraces++
	s.stats.EvictedSpans += int64(t.spans)
}

// view is a trace as of one moment, which may be read without any lock.
type view struct {
	low   uint64
	trace trace
}

// snapshot returns all traces as of now, in order of arrival.
func (s *Store) snapshot() []view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	views := make([]view, 0, len(s.traces))
	for _, low := range s.order[s.first:] {
		views = append(views, view{low, *s.traces[low]})
	}
	return views
}

// find returns the trace whose id ends in low.
func (s *Store) find(low uint64) (view, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.traces[low]
	if t == nil {
		return view{}, false
	}
	return view{low, *t}, true
}

// spans reads the trace. A span that was sent twice is there once.
func (v view) spans() []span.Span {
	out := make([]span.Span, v.trace.spans)
	seen := make(map[string]struct{}, v.trace.spans)
	n := 0
	for r := (reader{v.trace.buf}); n < len(out); {
		before := r.b
		if !r.next(v.low, &out[n]) {
			break
		}
		record := string(before[:len(before)-len(r.b)])
		if _, twice := seen[record]; !twice {
			seen[record] = struct{}{}
			n++
		}
	}
	return out[:n]
}

// strict returns the spans by full trace id. Nearly always there is one.
func (v view) strict() [][]span.Span {
	var groups [][]span.Span
next:
	for _, s := range v.spans() {
		for i := range groups {
			if groups[i][0].TraceID == s.TraceID {
				groups[i] = append(groups[i], s)
				continue next
			}
		}
		groups = append(groups, []span.Span{s})
	}
	return groups
}
