package spanbuilder

import (
	"strconv"
	"unsafe"

	"github.com/calltap/calltap/span"
)

// room is what a span's slices point into, and the text of those tags that is not kept as text: one allocation.
type room struct {
	tags   [14]span.Tag
	notes  [1]span.Note
	timers [1]span.Timer
	text   [RequestIDLen + 20]byte
}

func (r *room) note(word string, at int64) []span.Note {
	r.notes[0] = span.Note{Time: at, Value: word}
	return r.notes[:1:1]
}

func (r *room) timer(name string, micros int64) []span.Timer {
	r.timers[0] = span.Timer{Name: name, Micros: micros}
	return r.timers[:1:1]
}

// addNote adds a note to a span that may have none.
func (r *room) addNote(s *span.Span, word string, at int64) {
	if s.Notes == nil {
		s.Notes = r.note(word, at)
		return
	}
	s.Notes = append(s.Notes, span.Note{Time: at, Value: word})
}

func addTag(s *span.Span, name, value string) {
	s.Tags = append(s.Tags, span.Tag{Key: name, Value: value})
}

// tags are the tags that both sides of a call have.
func (c *call) tags(r *room) []span.Tag {
	return r.common(c.route(), c.request, int(c.size), c.owner)
}

// common gives the tags that every RPC span has, those without a value left out. What is not named here
// does not leave a message: arguments and tokens least of all.
func (r *room) common(way *route, request span.TraceID, size int, who *owner) []span.Tag {
	id, bytes := r.texts(request, size)
	vhost := way.vhost
	if vhost == "/" {
		vhost = ""
	}
	tags := r.tags[:0]
	for _, tag := range [...]span.Tag{
		{Key: "rpc.system", Value: way.dialect},
		{Key: "rpc.method", Value: way.method},
		{Key: "rpc.namespace", Value: way.namespace},
		{Key: "rpc.server", Value: way.server},
		{Key: "amqp.exchange", Value: way.exchange},
		{Key: "amqp.routing_key", Value: way.routingKey},
		{Key: "amqp.vhost", Value: vhost},
		{Key: "messaging.message.size", Value: bytes},
		{Key: "openstack.request_id", Value: id},
		{Key: "openstack.user_id", Value: who.user},
		{Key: "openstack.project_id", Value: who.project},
	} {
		if tag.Value != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// texts are the request id, "" if there is none, and the size in digits. They lie in r, which is written to only here, and
// lives as long as the span does.
func (r *room) texts(request span.TraceID, size int) (id, bytes string) {
	b := r.text[:0]
	if !request.IsZero() {
		b = AppendRequestID(b, request)
		id = unsafe.String(&r.text[0], len(b))
	}
	from := len(b)
	b = strconv.AppendInt(b, int64(size), 10)
	return id, unsafe.String(&r.text[from], len(b)-from)
}

// tell puts on the receiver's span what followed the request. s may be nil.
func (s *sequel) tell(to *span.Span, r *room) {
	if s == nil {
		return
	}
	if s.redelivered != 0 {
		tellRedelivered(to, r, s.redelivered)
	}
	if s.deadAt != 0 {
		tellDeadLettered(to, r, s.deadAt, s.deadReason, s.deadQueue)
	}
	if s.beats > 0 {
		addTag(to, "rpc.heartbeats", strconv.Itoa(int(s.beats)))
		r.addNote(to, "heartbeat", s.beat)
	}
}

func tellRedelivered(s *span.Span, r *room, at int64) {
	addTag(s, "redelivered", "true")
	r.addNote(s, "redelivered", at)
}

// tellDeadLettered says why the broker moved a message, and from which queue.
func tellDeadLettered(s *span.Span, r *room, at int64, reason, queue string) {
	addTag(s, "rpc.dead_letter", reason)
	if queue != "" {
		addTag(s, "rpc.dead_letter.queue", queue)
	}
	r.addNote(s, "dead_lettered", at)
}
