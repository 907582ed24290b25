package sampling

import (
	"sync"
	"time"

	"github.com/calltap/calltap/span"
)

// remembered is how many traces a Rate knows again, of those that passed and of those that did not.
const remembered = 16384

// Rate bounds how many traces are recorded a second. A trace costs once however often it is asked about, by the
// requests and the RPC that it consists of. It is safe for concurrent use.
type Rate struct {
	bucket *Bucket
	since  time.Time // read as a monotonic clock, which nobody can set back

	mu     sync.Mutex
	passed recent // apart from each other: those that do not pass are many
	failed recent
}

// NewRate makes a Rate; the numbers are those of NewBucket.
func NewRate(perSecond float64, burst int) *Rate {
	return &Rate{
		bucket: NewBucket(perSecond, burst), since: time.Now(),
		passed: recent{limit: remembered}, failed: recent{limit: remembered},
	}
}

// Takes reports whether the trace is one of those that pass.
func (r *Rate) Takes(id span.TraceID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.passed.has(id):
		return true
	case r.failed.has(id):
		return false
	}
	if r.bucket.Take(int64(time.Since(r.since))) {
		r.passed.add(id)
		return true
	}
	r.failed.add(id)
	return false
}

// recent is a bounded set of traces: the first in is the first out.
type recent struct {
	limit int
	ids   map[span.TraceID]struct{}
	order []span.TraceID // a ring once it is full
	next  int
}

func (r *recent) has(id span.TraceID) bool {
	_, ok := r.ids[id]
	return ok
}

// add takes in one that is not there.
func (r *recent) add(id span.TraceID) {
	if r.ids == nil {
		r.ids = make(map[span.TraceID]struct{})
	}
	if len(r.order) < r.limit {
		r.order = append(r.order, id)
	} else {
		delete(r.ids, r.order[r.next])
		r.order[r.next] = id
		r.next = (r.next + 1) % r.limit
	}
	r.ids[id] = struct{}{}
}
