package statsd

import "github.com/calltap/calltap/span"

// metrics makes the metrics of one span: timers go to the packer at once, counters are summed up.
func (e *Emitter) metrics(s *span.Span) {
	if s.Key == "" {
		return
	}
	of := e.seriesOf(s.Key)
	if s.Duration > 0 {
		e.time(of, kindSuffix(s.Kind), s.Duration)
	}
	for i := range s.Timers {
		if t := &s.Timers[i]; t.Micros >= 0 {
			e.time(of, t.Name, t.Micros)
		}
	}
	for i := range s.Notes {
		*e.noted(of, s.Key, s.Notes[i].Value)++
	}
	if s.Echo {
		return // of a call's two sides one counts it
	}
	*of.calls++
	if s.Error != "" {
		e.failure(s)
	}
}

func (e *Emitter) failure(s *span.Span) {
	switch s.Error {
	case "timeout", "unroutable":
		*e.counter(s.Key, s.Error)++
	}
	*e.counter(s.Key, "error")++
}

// counter is the sum of a counter over the batch.
func (e *Emitter) counter(key, suffix string) *int64 {
	e.name = appendName(e.name[:0], key, suffix)
	n := e.counts[string(e.name)] // allocates nothing
	if n == nil {
		n = new(int64)
		e.counts[string(e.name)] = n
	}
	return n
}

// flushCounts sends the sums of the batch: a line a name, however many spans there were. The client's errors are the
// packer's, which keeps them itself.
func (e *Emitter) flushCounts() {
	for name, n := range e.counts {
		if *n != 0 {
			_ = e.client.Inc(name, *n, 1)
			*n = 0
		}
	}
	e.trim()
}
