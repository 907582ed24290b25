package spanbuilder

import "github.com/calltap/calltap/span"

// room is what a span's slices point into, allocated with one stroke.
type room struct {
	tags   [12]span.Tag
	notes  [1]span.Note
	timers [1]span.Timer
}

func (r *room) note(word string, at int64) []span.Note {
	r.notes[0] = span.Note{Time: at, Value: word}
	return r.notes[:1:1]
}

func (r *room) timer(name string, micros int64) []span.Timer {
	r.timers[0] = span.Timer{Name: name, Micros: micros}
	return r.timers[:1:1]
}

// tags are the tags that both sides of a call have.
func (c *call) tags(r *room) []span.Tag {
	if c.text == "" {
		c.text = text(c.request, int(c.size))
	}
	return r.common(c.route, c.text, c.request.IsZero(), c.owner)
}

// common gives the tags that every RPC span has, those without a value left out. What is not named here
// does not leave a message: arguments and tokens least of all.
func (r *room) common(way *route, text string, noRequest bool, who *owner) []span.Tag {
	request, size := "", text
	if !noRequest {
		request, size = text[:RequestIDLen], text[RequestIDLen:]
	}
	vhost := way.vhost
	if vhost == "/" {
		vhost = ""
	}
	tags := r.tags[:0]
	for _, tag := range [...]span.Tag{
		{Key: "rpc.system", Value: way.dialect},
		{Key: "rpc.method", Value: way.method},
		{Key: "rpc.namespace", Value: way.namespace},
		{Key: "amqp.exchange", Value: way.exchange},
		{Key: "amqp.routing_key", Value: way.routingKey},
		{Key: "amqp.vhost", Value: vhost},
		{Key: "messaging.message.size", Value: size},
		{Key: "openstack.request_id", Value: request},
		{Key: "openstack.user_id", Value: who.user},
		{Key: "openstack.project_id", Value: who.project},
	} {
		if tag.Value != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}
