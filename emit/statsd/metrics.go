package statsd

import (
	"time"
	"unsafe"

	"github.com/calltap/calltap/span"
)

// metrics makes the metrics of one span: timers go to the client at once, counters are summed up.
func (e *Emitter) metrics(s *span.Span) {
	if s.Key == "" {
		return
	}
	if s.Duration > 0 {
		if s.Kind == span.KindClient || s.Kind == span.KindProducer {
			e.time(s.Key, "total", s.Duration)
		} else {
			e.time(s.Key, "", s.Duration)
		}
	}
	for i := range s.Timers {
		if t := &s.Timers[i]; t.Micros >= 0 {
			e.time(s.Key, t.Name, t.Micros)
		}
	}
	for i := range s.Notes {
		e.count(s.Key, s.Notes[i].Value)
	}
	if !s.Echo {
		e.outcome(s)
	}
}

// outcome counts a call, and how it failed. Of its two sides one does.
func (e *Emitter) outcome(s *span.Span) {
	e.count(s.Key, "calls")
	switch s.Error {
	case "":
		return
	case "timeout", "unroutable":
		e.count(s.Key, s.Error)
	}
	e.count(s.Key, "error")
}

// time sends one length. The client copies the name, so that it may lie in a buffer that is used
// again; its errors are the packer's, which keeps them itself.
func (e *Emitter) time(key, suffix string, micros int64) {
	e.name = appendName(e.name[:0], key, suffix)
	name := unsafe.String(unsafe.SliceData(e.name), len(e.name))
	_ = e.client.TimingDuration(name, time.Duration(micros)*time.Microsecond, 1)
}

// count adds one to a counter's sum.
func (e *Emitter) count(key, suffix string) {
	e.name = appendName(e.name[:0], key, suffix)
	n := e.counts[string(e.name)] // allocates nothing
	if n == nil {
		n = new(int64)
		e.counts[string(e.name)] = n
	}
	*n++
}

// keptCounts is how many counters' names are kept from batch to batch, so that they are not allocated anew. Names are
// bounded by the rules, but rules change.
const keptCounts = 4096

// flushCounts sends the sums of the batch: a line a name, however many spans there were.
func (e *Emitter) flushCounts() {
	for name, n := range e.counts {
		if *n != 0 {
			_ = e.client.Inc(name, *n, 1)
			*n = 0
		}
	}
	if len(e.counts) > keptCounts {
		clear(e.counts)
	}
}
