package span

import "unsafe"

// Bounds of a span that may enter a pipeline.
const (
	// MaxSize bounds Size, in bytes: a batch must hold any span, and one request must not fill it.
	MaxSize = 64 << 10
	// MaxItems bounds the tags, the notes and the timers of a span, each.
	MaxItems = 256
	// maxMicros is the largest time and length in microseconds (year 2255): JSON readers that hold
	// numbers as float64 are exact up to here.
	maxMicros = 1 << 53
)

// Valid returns "" if the span may be sent, else a short reason why it must be stopped at the door,
// fit for a counter's label. Zipkin answers 400 to a whole batch for one span that is not valid.
func (s *Span) Valid() string {
	_, reason := s.Check()
	return reason
}

// Check is Valid and Size in one, for those who need both. With a reason the size may be zero.
func (s *Span) Check() (size int, reason string) {
	switch {
	case s.TraceID.IsZero():
		return 0, "trace id is zero"
	case s.ID == 0:
		return 0, "span id is zero"
	case s.Kind > KindConsumer:
		return 0, "unknown kind"
	case s.Start <= 0:
		return 0, "start before 1970"
	case s.Start > maxMicros:
		return 0, "start too late"
	case s.Duration < 0:
		return 0, "negative duration"
	case s.Duration > maxMicros:
		return 0, "duration too long"
	case len(s.Tags) > MaxItems || len(s.Notes) > MaxItems || len(s.Timers) > MaxItems:
		return 0, "too many tags, notes or timers"
	}
	for i := range s.Notes {
		if t := s.Notes[i].Time; t <= 0 || t > maxMicros {
			return 0, "note outside of time"
		}
	}
	if size = s.Size(); size > MaxSize {
		return size, "too large"
	}
	return size, ""
}

// Size estimates the memory that the span holds, in bytes: the struct, its slices and its strings.
func (s *Span) Size() int {
	n := int(unsafe.Sizeof(*s)) + len(s.Error) + len(s.Name) + len(s.Key) +
		len(s.Local.Service) + len(s.Remote.Service) + len(s.HTTP.Method) + len(s.HTTP.Path)
	for i := range s.Tags {
		n += int(unsafe.Sizeof(Tag{})) + len(s.Tags[i].Key) + len(s.Tags[i].Value)
	}
	for i := range s.Notes {
		n += int(unsafe.Sizeof(Note{})) + len(s.Notes[i].Value)
	}
	for i := range s.Timers {
		n += int(unsafe.Sizeof(Timer{})) + len(s.Timers[i].Name)
	}
	return n
}
