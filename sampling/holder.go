package sampling

import (
	"sync"
	"time"

	"github.com/calltap/calltap/span"
)

// Sink takes spans. Offer copies *s, never blocks and never fails its caller.
type Sink interface {
	Offer(s *span.Span)
}

// The bounds of a Holder.
const (
	// Wait is how long a trace of which no request is under way is held after its last span: RPC goes on behind the response, and
	// the end of a one-way message's work is known only seconds later.
	Wait = 10 * time.Second
	// Life is how long a span is held at most.
	Life = 2 * time.Minute
	// MaxSpans and MaxBytes bound what is held of all traces together.
	MaxSpans = holderShards * shardSpans
	MaxBytes = holderShards * shardBytes

	holderShards = 16
	shardSpans   = 4096
	shardBytes   = 4 << 20
	shardTraces  = 8192 // traces that are undecided, with or without spans
	shardKept    = 4096 // traces that are known to be kept
	traceSpans   = 1024 // spans of one trace
)

// Holder holds back copies of the spans of undecided traces: those that their Head let go, and that may still end in a way that is
// worth keeping. Everything that belongs to a trace has one fate:
//
//	Begin ──► undecided ──► a reason, of a request or an RPC ──► kept: what is held goes to the sink, and what comes follows
//	              │
//	              └──► no request under way, and silent for Wait ──► let go
//
// What is let go is forgotten, so that a reason that comes still later begins a trace of its own: better the end of a failure than
// nothing of it. Metrics do not wait: a span that is held has been offered as an unsampled one before, and its copy says so
// (span.Span.Counted).
//
// The zero value is ready. It outlives configurations, and sends to the sink that the call at hand names.
type Holder struct {
	shards [holderShards]holderShard
}

// holderShard is a part of the traces. mu guards everything below.
type holderShard struct {
	mu      sync.Mutex
	traces  map[span.TraceID]*undecided
	open    traceList // those with requests under way, the one that was silent for longest first
	waiting traceList // the others, likewise
	kept    recent
	spans   int
	bytes   int
	counts  Stats // but for what is held now
	_       [64]byte
}

// Stats tells what a Holder holds, and what became of what it held.
type Stats struct {
	Traces        int   `json:"traces"` // undecided now
	Spans         int   `json:"spans"`  // of them, held now
	Bytes         int   `json:"bytes"`
	Kept          int64 `json:"kept"`           // traces that were recorded for how they ended
	LetGo         int64 `json:"let_go"`         // traces that gave no reason
	EvictedTraces int64 `json:"evicted_traces"` // that were given up for lack of room
	EvictedSpans  int64 `json:"evicted_spans"`  // the same, and those held for too long
}

// Fate is what becomes of a request's span.
type Fate uint8

// The fates.
const (
	LetGo Fate = iota // it is not recorded
	Held              // that is not known yet: Hold it
	Kept              // it is recorded
)

// Begin tells of a request of an undecided trace.
func (h *Holder) Begin(id span.TraceID) {
	sh, now := h.shard(id), time.Now()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.expire(now)
	if sh.kept.has(id) {
		return
	}
	sh.get(id, now).requests++
	sh.touch(sh.traces[id], now)
}

// End tells that a request ended of which Begin told. reason says that it is to be kept, and with it all of its trace; more, that
// further spans of the trace may come by themselves, as RPC does.
func (h *Holder) End(id span.TraceID, reason, more bool, to Sink) Fate {
	sh, now := h.shard(id), time.Now()
	sh.mu.Lock()
	sh.expire(now)
	if sh.kept.has(id) {
		sh.mu.Unlock()
		return Kept
	}
	if reason {
		spans := sh.keep(id)
		sh.mu.Unlock()
		release(spans, to)
		return Kept
	}
	defer sh.mu.Unlock()
	u := sh.traces[id]
	switch {
	case u == nil && !more:
		return LetGo
	case u == nil: // it was evicted
		return Held
	}
	u.requests = max(u.requests-1, 0)
	if u.requests == 0 && !more {
		sh.letGo(u)
		return LetGo
	}
	sh.touch(u, now)
	return Held
}

// Hold takes a copy of a span whose Fate is Held. s has been offered as an unsampled one.
func (h *Holder) Hold(s *span.Span, to Sink) {
	held := *s
	held.Sampled, held.Counted = true, true
	sh, now := h.shard(s.TraceID), time.Now()
	sh.mu.Lock()
	if kept := sh.kept.has(s.TraceID); !kept {
		sh.hold(&held, now)
		sh.mu.Unlock()
		return
	}
	sh.mu.Unlock()
	to.Offer(&held)
}

// Offer gives a span away that belongs to no request that would tell its fate, as RPC does: to the sink at once, and if its trace is
// undecided and it was not recorded, a copy is held. by are the reasons that it may be itself, and that make a trace undecided
// of which no request is known; nil if there are none.
func (h *Holder) Offer(s *span.Span, by *Keep, to Sink) {
	if s.Sampled || s.Settled {
		to.Offer(s)
		return
	}
	spans, fate := h.fateOf(s, by)
	release(spans, to)
	if fate == Kept {
		whole := *s
		whole.Sampled = true
		to.Offer(&whole)
		return
	}
	to.Offer(s)
	if fate == Held {
		h.Hold(s, to)
	}
}

// fateOf decides about a span, and returns what was held of a trace that it is the reason to keep.
func (h *Holder) fateOf(s *span.Span, by *Keep) ([]span.Span, Fate) {
	sh := h.shard(s.TraceID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.expire(time.Now())
	switch {
	case sh.kept.has(s.TraceID):
		return nil, Kept
	case by.Span(s):
		return sh.keep(s.TraceID), Kept
	case by != nil || sh.traces[s.TraceID] != nil:
		return nil, Held
	}
	return nil, LetGo
}

// Stats returns what holds now.
func (h *Holder) Stats() (s Stats) {
	now := time.Now()
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		sh.expire(now)
		s.Traces += len(sh.traces)
		s.Spans += sh.spans
		s.Bytes += sh.bytes
		s.Kept += sh.counts.Kept
		s.LetGo += sh.counts.LetGo
		s.EvictedTraces += sh.counts.EvictedTraces
		s.EvictedSpans += sh.counts.EvictedSpans
		sh.mu.Unlock()
	}
	return s
}

func (h *Holder) shard(id span.TraceID) *holderShard {
	return &h.shards[span.Mix(id.Low, id.High)%holderShards]
}

func release(spans []span.Span, to Sink) {
	for i := range spans {
		to.Offer(&spans[i])
	}
}
