package spanbuilder

import "github.com/calltap/calltap/span"

// workLog is what a process was last seen doing: the works that it sent something from. Programs of one
// thread a work, as oslo.messaging's, do one thing at a time: whoever awaits a reply sends nothing meanwhile, and
// whoever just got one is the likeliest to send next.
type workLog [8]doing

// doing is one work of a process.
type doing struct {
	trace   span.TraceID // by which its messages find it
	parent  span.ID      // the SERVER or CONSUMER span; zero: none, as of a periodic task
	service string       // of that span
	time    int64        // when it last sent something, or got an answer; zero: a free entry
	waits   int32        // calls of it that are not answered
}

// of returns the entry of a work, nil if it has none.
func (l *workLog) of(trace span.TraceID, parent span.ID) *doing {
	if l == nil {
		return nil
	}
	for i := range l {
		if d := &l[i]; d.time != 0 && d.trace == trace && d.parent == parent {
			return d
		}
	}
	return nil
}

// latest returns the work of which something was seen last, of those that wait for nothing. nil is none.
func (l *workLog) latest() *doing {
	var found *doing
	for i := 0; l != nil && i < len(l); i++ {
		if d := &l[i]; d.time != 0 && d.waits == 0 && (found == nil || d.time > found.time) {
			found = d
		}
	}
	return found
}

// inTrace returns the work of a trace of which something was seen last, nil if there is none.
func (l *workLog) inTrace(trace span.TraceID) *doing {
	var found *doing
	for i := 0; l != nil && i < len(l); i++ {
		if d := &l[i]; d.time != 0 && d.trace == trace && (found == nil || d.time > found.time) {
			found = d
		}
	}
	return found
}

// note puts d in, in place of the entry of the same work, or of the one of which nothing was seen for longest.
func (l *workLog) note(d doing) {
	at := l.of(d.trace, d.parent)
	if at == nil {
		at = &l[0]
		for i := range l {
			if l[i].time < at.time {
				at = &l[i]
			}
		}
		*at = doing{}
	}
	d.time, d.waits = max(d.time, at.time), d.waits+at.waits
	*at = d
}

// worked notes that the process of r sent something out of a work; d.waits is 1 if it awaits a reply to it.
func (s *processes) worked(r processRef, d doing) {
	p := s.find(r)
	if p == nil {
		return
	}
	if p.set.log == nil {
		p.set.log = new(workLog)
	}
	p.set.log.note(d)
}

// resumed notes that the process of r awaits one reply less for a work.
func (s *processes) resumed(r processRef, trace span.TraceID, parent span.ID, now int64) {
	p := s.find(r)
	if p == nil {
		return
	}
	if d := p.set.log.of(trace, parent); d != nil {
		d.waits, d.time = max(d.waits-1, 0), max(d.time, now)
	}
}

// mergeLogs moves what b says to a.
func mergeLogs(a, b *workLog) *workLog {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	for _, d := range b {
		if d.time > 0 {
			a.keep(d)
		}
	}
	return a
}

// keep is note that never puts something old in place of something newer.
func (l *workLog) keep(d doing) {
	if l.of(d.trace, d.parent) == nil {
		for i := range l {
			if l[i].time < d.time {
				l.note(d)
				return
			}
		}
		return
	}
	l.note(d)
}
