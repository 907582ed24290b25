package sampling

import (
	"time"

	"github.com/calltap/calltap/span"
)

// undecided is a trace of which it is not known yet whether it is recorded.
type undecided struct {
	id       span.TraceID
	requests int // under way
	spans    []span.Span
	bytes    int
	since    time.Time // when the first of spans came
	touched  time.Time
	in       *traceList

	before, after *undecided
}

// traceList lists traces, the one that was silent for longest first.
type traceList struct{ oldest, newest *undecided }

func (l *traceList) push(u *undecided) {
	u.in, u.before, u.after = l, l.newest, nil
	if l.newest != nil {
		l.newest.after = u
	} else {
		l.oldest = u
	}
	l.newest = u
}

func (l *traceList) remove(u *undecided) {
	if u.before != nil {
		u.before.after = u.after
	} else {
		l.oldest = u.after
	}
	if u.after != nil {
		u.after.before = u.before
	} else {
		l.newest = u.before
	}
	u.in, u.before, u.after = nil, nil, nil
}

// get returns the trace, made if need be.
func (sh *holderShard) get(id span.TraceID, now time.Time) *undecided {
	if u := sh.traces[id]; u != nil {
		return u
	}
	if sh.traces == nil {
		sh.traces = make(map[span.TraceID]*undecided)
		sh.kept.limit = shardKept
	}
	for len(sh.traces) >= shardTraces {
		sh.evict()
	}
	u := &undecided{id: id}
	sh.traces[id] = u
	sh.touch(u, now)
	return u
}

// touch notes that something was heard of a trace.
func (sh *holderShard) touch(u *undecided, now time.Time) {
	if u.in != nil {
		u.in.remove(u)
	}
	u.touched = now
	if u.requests > 0 {
		sh.open.push(u)
	} else {
		sh.waiting.push(u)
	}
	if len(u.spans) > 0 && now.Sub(u.since) > Life {
		sh.empty(u)
	}
}

// hold puts a span to its trace.
func (sh *holderShard) hold(s *span.Span, now time.Time) {
	u := sh.get(s.TraceID, now)
	sh.touch(u, now)
	if len(u.spans) >= traceSpans {
		sh.counts.EvictedSpans++
		return
	}
	if len(u.spans) == 0 {
		u.since = now
	}
	size := s.Size()
	u.spans = append(u.spans, *s)
	u.bytes += size
	sh.spans++
	sh.bytes += size
	for sh.spans > shardSpans || sh.bytes > shardBytes {
		sh.evict()
	}
}

// keep decides that a trace is recorded, and returns what was held of it.
func (sh *holderShard) keep(id span.TraceID) (spans []span.Span) {
	if u := sh.traces[id]; u != nil {
		spans = u.spans
		sh.drop(u)
	}
	sh.kept.limit = shardKept
	sh.kept.add(id)
	sh.counts.Kept++
	return spans
}

// letGo decides that a trace is not recorded.
func (sh *holderShard) letGo(u *undecided) {
	sh.counts.LetGo++
	sh.drop(u)
}

// expire lets those go that have been silent for long enough. One with a request under way may still tell its fate, and only
// gives up what was held for too long.
func (sh *holderShard) expire(now time.Time) {
	for u := sh.waiting.oldest; u != nil && now.Sub(u.touched) > Wait; u = sh.waiting.oldest {
		sh.letGo(u)
	}
	for u := sh.open.oldest; u != nil && now.Sub(u.touched) > Life; u = sh.open.oldest {
		sh.touch(u, now)
	}
}

// evict gives up the trace that was silent for longest; one with a request under way, which may still tell its fate, only if
// there is no other.
func (sh *holderShard) evict() {
	u := sh.waiting.oldest
	if u == nil {
		u = sh.open.oldest
	}
	sh.counts.EvictedTraces++
	sh.counts.EvictedSpans += int64(len(u.spans))
	sh.drop(u)
}

// empty gives up what is held of a trace.
func (sh *holderShard) empty(u *undecided) {
	sh.counts.EvictedSpans += int64(len(u.spans))
	sh.spans -= len(u.spans)
	sh.bytes -= u.bytes
	u.spans, u.bytes = nil, 0
}

func (sh *holderShard) drop(u *undecided) {
	u.in.remove(u)
	delete(sh.traces, u.id)
	sh.spans -= len(u.spans)
	sh.bytes -= u.bytes
}
