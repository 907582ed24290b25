package store

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/calltap/calltap/span"
)

// A record is a span as Zipkin keeps it:
//
//	trace id (high half), id, parent   8 bytes each
//	flags                              kind | debug | shared
//	start, duration                    uvarint
//	name                               text
//	local, remote                      service text, address text, port uvarint
//	tags, notes                        uvarint count; text text, uvarint text
//
// where text is an uvarint length and bytes. The low half of the trace id is that of the trace.
// Records are written and read by this file alone and never leave the process.

const (
	flagKind   = 0x07
	flagDebug  = 0x08
	flagShared = 0x10
)

// writer makes records. Its slices are used again for each.
type writer struct {
	tags  []span.Tag
	notes []span.Note
}

// append appends the record of s, in Zipkin's normal form: Key and Error as tags, tags sorted by key
// without repetition, notes by time, names in lower case.
func (w *writer) append(dst []byte, s *span.Span) []byte {
	w.normalize(s)
	dst = binary.BigEndian.AppendUint64(dst, s.TraceID.High)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.ID))
	parent := s.Parent
	if parent == s.ID {
		parent = 0
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(parent))
	dst = append(dst, flags(s))
	dst = binary.AppendUvarint(dst, uint64(s.Start))
	dst = binary.AppendUvarint(dst, uint64(s.Duration))
	dst = appendText(dst, strings.ToLower(s.Name))
	dst = appendEndpoint(dst, &s.Local)
	dst = appendEndpoint(dst, &s.Remote)
	dst = binary.AppendUvarint(dst, uint64(len(w.tags)))
	for i := range w.tags {
		dst = appendText(appendText(dst, w.tags[i].Key), w.tags[i].Value)
	}
	dst = binary.AppendUvarint(dst, uint64(len(w.notes)))
	for i := range w.notes {
		dst = appendText(binary.AppendUvarint(dst, uint64(w.notes[i].Time)), w.notes[i].Value)
	}
	return dst
}

func (w *writer) normalize(s *span.Span) {
	w.tags = s.AppendTags(w.tags[:0])
	if s.Key != "" {
		w.tags = append(w.tags, span.Tag{Key: span.TagKey, Value: s.Key})
	}
	if s.Error != "" {
		w.tags = append(w.tags, span.Tag{Key: span.TagError, Value: s.Error})
	}
	slices.Reverse(w.tags) // of several with one key the last counts: let the stable sort put it first
	slices.SortStableFunc(w.tags, func(a, b span.Tag) int { return strings.Compare(a.Key, b.Key) })
	w.tags = slices.CompactFunc(w.tags, func(a, b span.Tag) bool { return a.Key == b.Key })

	w.notes = append(w.notes[:0], s.Notes...)
	if len(w.notes) > 1 {
		slices.SortFunc(w.notes, func(a, b span.Note) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Value, b.Value))
		})
		w.notes = slices.Compact(w.notes)
	}
}

// forget lets go of the strings of the last span.
func (w *writer) forget() {
	clear(w.tags[:cap(w.tags)])
	clear(w.notes[:cap(w.notes)])
}

func flags(s *span.Span) byte {
	f := byte(s.Kind) & flagKind
	if s.Debug {
		f |= flagDebug
	}
	if s.Shared && s.Kind != span.KindClient {
		f |= flagShared
	}
	return f
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendEndpoint(dst []byte, e *span.Endpoint) []byte {
	dst = appendText(dst, strings.ToLower(e.Service))
	if e.IP.IsValid() {
		ip := e.IP.Unmap().WithZone("")
		dst = append(dst, byte(ip.BitLen()/8))
		dst = append(dst, ip.AsSlice()...)
	} else {
		dst = append(dst, 0)
	}
	return binary.AppendUvarint(dst, uint64(e.Port))
}

// reader reads records. The strings that it gives out point into them, which is sound since a record
// never changes once it is written.
type reader struct{ b []byte }

// next reads one record into s, whose slices it uses again. False is the end.
func (r *reader) next(low uint64, s *span.Span) bool {
	if len(r.b) == 0 {
		return false
	}
	tags, notes := s.Tags[:0], s.Notes[:0]
	*s = span.Span{TraceID: span.TraceID{High: r.uint64(), Low: low}, Sampled: true}
	s.ID = span.ID(r.uint64())
	s.Parent = span.ID(r.uint64())
	f := r.byte()
	s.Kind, s.Debug, s.Shared = span.Kind(f&flagKind), f&flagDebug != 0, f&flagShared != 0
	s.Start = int64(r.uvarint())
	s.Duration = int64(r.uvarint())
	s.Name = r.text()
	s.Local = r.endpoint()
	s.Remote = r.endpoint()
	for n := r.uvarint(); n > 0; n-- {
		tags = append(tags, span.Tag{Key: r.text(), Value: r.text()})
	}
	for n := r.uvarint(); n > 0; n-- {
		notes = append(notes, span.Note{Time: int64(r.uvarint()), Value: r.text()})
	}
	s.Tags, s.Notes = tags, notes
	return true
}

func (r *reader) uint64() uint64 {
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *reader) byte() byte {
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	n := r.uvarint()
	s := unsafe.String(unsafe.SliceData(r.b), n)
	r.b = r.b[n:]
	return s
}

func (r *reader) endpoint() span.Endpoint {
	e := span.Endpoint{Service: r.text()}
	n := r.byte()
	e.IP, _ = netip.AddrFromSlice(r.b[:n]) // of no bytes: the zero Addr
	r.b = r.b[n:]
	e.Port = uint16(r.uvarint())
	return e
}
