package span

import (
	"encoding/binary"
	"net/netip"
)

// The tags that the encoder makes of a span's own fields. A Tag of the same key is left out.
const (
	TagKey   = "calltap.key" // Span.Key
	TagError = "error"       // Span.Error
)

// AppendJSON appends the span as one object of Zipkin's v2 JSON, with no white space and no newline
// (https://zipkin.io/zipkin-api/#/default/post_spans), and returns the extended slice. It allocates
// only if dst is too small, and never fails.
//
// Names keep their case; Zipkin lower-cases names and services itself. Of several tags with one key
// the last counts. A span that is its own parent, and the shared flag of a CLIENT, are left out, as
// Zipkin does on arrival.
func (s *Span) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"traceId":"`...)
	dst = s.TraceID.Append(dst)
	if s.Parent != 0 && s.Parent != s.ID {
		dst = append(dst, `","parentId":"`...)
		dst = s.Parent.Append(dst)
	}
	dst = append(dst, `","id":"`...)
	dst = s.ID.Append(dst)
	if kind := &kindWords[s.Kind&7]; kind.n != 0 {
		dst = append(dst, `","kind":"`...)
		n := len(dst)
		dst = append(dst, kind.text[:]...)[:n+int(kind.n)]
	}
	if s.Name != "" {
		dst = append(dst, `","name":"`...)
		dst = appendText(dst, s.Name)
	} else {
		dst = append(dst, '"')
	}
	if s.Start > 0 {
		dst = append(dst, `,"timestamp":`...)
		dst = appendMicros(dst, s.Start)
	}
	if s.Duration > 0 {
		dst = append(dst, `,"duration":`...)
		dst = appendUint(dst, uint64(s.Duration))
	}
	if !s.Local.IsZero() {
		dst = append(dst, `,"localEndpoint"`...)
		dst = s.Local.appendJSON(dst)
	}
	if !s.Remote.IsZero() {
		dst = append(dst, `,"remoteEndpoint`...)
		dst = s.Remote.appendJSON(append(dst, '"'))
	}
	dst = s.appendNotes(dst)
	dst = s.appendTags(dst)
	if s.Debug {
		dst = append(dst, `,"debug":true`...)
	}
	if s.Shared && s.Kind != KindClient {
		dst = append(dst, `,"shared":true`...)
	}
	return append(dst, '}')
}

// kindWords is indexed by Kind; its length is a power of two so that the index needs no check.
var kindWords = [8]struct {
	text [8]byte
	n    uint8
}{
	KindClient:   {[8]byte([]byte("CLIENT__")), 6},
	KindServer:   {[8]byte([]byte("SERVER__")), 6},
	KindProducer: {[8]byte([]byte("PRODUCER")), 8},
	KindConsumer: {[8]byte([]byte("CONSUMER")), 8},
}

func (s *Span) appendNotes(dst []byte) []byte {
	if len(s.Notes) == 0 {
		return dst
	}
	dst = append(dst, `,"annotations":[`...)
	for i := range s.Notes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"timestamp":`...)
		dst = appendMicros(dst, s.Notes[i].Time)
		dst = append(dst, `,"value":"`...)
		dst = appendText(dst, s.Notes[i].Value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func (s *Span) appendTags(dst []byte) []byte {
	if len(s.Tags) == 0 && s.Key == "" && s.Error == "" && s.HTTP.Method == "" {
		return dst
	}
	dst = append(dst, `,"tags":`...)
	open := len(dst)
	if s.Key != "" {
		dst = appendText(append(dst, `,"`+TagKey+`":"`...), s.Key)
	}
	dst = s.appendHTTP(dst)
	for i := range s.Tags {
		if !s.shadowed(i) && (plain(s.Tags[i].Key) || !s.shadowedOnceWritten(i)) {
			dst = appendTag(dst, s.Tags[i].Key, s.Tags[i].Value)
		}
	}
	if s.Error != "" {
		dst = appendText(append(dst, `,"`+TagError+`":"`...), s.Error)
	}
	if len(dst) == open {
		dst = append(dst, ',')
	}
	dst[open] = '{' // in place of the first tag's comma
	return append(dst, '}')
}

// shadowed reports whether tag i must not be written because its key is written elsewhere: JSON
// with the same key twice means one thing to one reader and another to the next. Spans carry few
// tags (Valid sees to it), so looking at each pair is cheaper than any set.
func (s *Span) shadowed(i int) bool {
	key := s.Tags[i].Key
	if key == TagKey && s.Key != "" || key == TagError && s.Error != "" {
		return true
	}
	for j := i + 1; j < len(s.Tags); j++ {
		if s.Tags[j].Key == key {
			return true
		}
	}
	return false
}

// shadowedOnceWritten is shadowed for a key that is not plain. Bytes that are not UTF-8 all become
// U+FFFD, so two keys that differ here may be one to the reader.
func (s *Span) shadowedOnceWritten(i int) bool {
	key := string([]rune(s.Tags[i].Key))
	for j := i + 1; j < len(s.Tags); j++ {
		if string([]rune(s.Tags[j].Key)) == key {
			return true
		}
	}
	return false
}

func appendTag(dst []byte, key, value string) []byte {
	dst = appendText(append(dst, `,"`...), key)
	return appendText(append(dst, `:"`...), value)
}

// appendJSON appends a colon and the endpoint.
func (e *Endpoint) appendJSON(dst []byte) []byte {
	dst = append(dst, ':')
	open := len(dst)
	if e.Service != "" {
		dst = append(dst, `,"serviceName":"`...)
		dst = appendText(dst, e.Service)
	}
	if e.IP.IsValid() {
		dst = appendIP(dst, e.IP)
	}
	if e.Port != 0 {
		dst = append(dst, `,"port":`...)
		dst = appendUint(dst, uint64(e.Port))
	}
	if len(dst) == open {
		dst = append(dst, ',')
	}
	dst[open] = '{'
	return append(dst, '}')
}

// appendIP writes an IPv4 address that travels in IPv6 clothes as IPv4, and drops the zone: it
// names an interface of this machine and no reader of the field expects it.
func appendIP(dst []byte, ip netip.Addr) []byte {
	if ip.Is4() || ip.Is4In6() {
		dst = append(dst, `,"ipv4":"`...)
		v4 := ip.As4()
		dst = appendIPv4(dst, binary.BigEndian.Uint32(v4[:]))
	} else {
		dst = append(dst, `,"ipv6":"`...)
		dst = ip.WithZone("").AppendTo(dst)
	}
	return append(dst, '"')
}
