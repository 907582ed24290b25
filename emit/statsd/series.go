package statsd

import (
	"strconv"
	"strings"

	"github.com/calltap/calltap/span"
)

// series is what is kept of a key from span to span, so that a call costs one lookup: its name, checked and with the
// prefix in front, and the sum that every call adds to.
type series struct {
	name  []byte
	calls *int64 // in Emitter.counts
	notes []noted
}

// noted is the counter of a note, in Emitter.counts too.
type noted struct {
	note string
	sum  *int64
}

// maxNoted is how many notes of a key are found without making their counter's name: all but those of rules that make up
// notes call by call.
const maxNoted = 16

// keptNames is how many keys, and how many counters, are kept from batch to batch, so that their names are not made anew. Keys
// are bounded by the rules, but rules change.
const keptNames = 4096

func (e *Emitter) seriesOf(key string) *series {
	if s := e.series[key]; s != nil {
		return s
	}
	s := &series{calls: e.counter(key, "calls")}
	if e.prefix != "" {
		s.name = append(append(s.name, e.prefix...), '.')
	}
	s.name = appendKey(s.name, key)
	e.series[strings.Clone(key)] = s // not what the key may be a part of
	return s
}

// noted is the sum of one of the notes of a key.
func (e *Emitter) noted(of *series, key, note string) *int64 {
	for i := range of.notes {
		if of.notes[i].note == note {
			return of.notes[i].sum
		}
	}
	sum := e.counter(key, note)
	if len(of.notes) < maxNoted {
		of.notes = append(of.notes, noted{strings.Clone(note), sum})
	}
	return sum
}

// time sends one length. The line is what go-statsd-client's TimingDuration makes of it, in a quarter of the time: the
// client formats floats, and looks for tags that we do not have.
func (e *Emitter) time(s *series, suffix string, micros int64) {
	line := append(e.line[:0], s.name...)
	if suffix != "" {
		line = appendSegment(append(line, '.'), suffix)
	}
	line = appendMillis(append(line, ':'), micros)
	line = append(line, "|ms"...)
	e.line = line
	_, _ = e.packer.Send(line)
}

// appendMillis appends microseconds as milliseconds, with as many digits behind the point as there are.
func appendMillis(dst []byte, micros int64) []byte {
	dst = strconv.AppendInt(dst, micros/1000, 10)
	rest := micros % 1000
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// trim lets go of names when there are too many of them. It is called between batches, when all sums are sent.
func (e *Emitter) trim() {
	if len(e.counts) > keptNames || len(e.series) > keptNames {
		clear(e.counts)
		clear(e.series)
	}
}

// kindSuffix tells the caller's time from the work's.
func kindSuffix(k span.Kind) string {
	if k == span.KindClient || k == span.KindProducer {
		return "total"
	}
	return ""
}
