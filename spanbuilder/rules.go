package spanbuilder

import (
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

// label is what the rules made of a call, asked once for both its sides.
type label struct {
	key, name, service string
	done, ignore       bool
	extra              *extra // nil for most rules
}

// extra is what few rules give.
type extra struct {
	tags  []span.Tag
	notes []string // counters
}

// CategoryTag is the tag that shows a rule's category.
const CategoryTag = "calltap.category"

// formNames are the words by which rules know the forms.
var formNames = [...]string{
	FormCall: "call", FormCast: "cast", FormFanout: "fanout", FormNotification: "notification",
}

func (t *Tracer) label(r *route, queue, fault string) label {
	if t.Rules == nil {
		return label{key: r.method, name: r.method, done: true}
	}
	facts := keyrules.Call{
		Kind: keyrules.RPC, Service: r.topic,
		Exchange: r.exchange, RoutingKey: r.routingKey, Queue: queue, Topic: r.topic,
		Namespace: r.namespace, RPCMethod: r.method, Form: formNames[r.form], Error: fault,
	}
	if r.args != "" {
		facts.RPCArg = r.args.Get
	}
	res := t.Rules.Resolve(&facts)
	l := label{key: res.Key, name: res.Name, service: res.Service, done: true, ignore: res.Ignore, extra: extraOf(&res)}
	if l.service == r.topic {
		l.service = "" // no rule's, but what was told
	}
	return l
}

func extraOf(res *keyrules.Result) *extra {
	if res.Category == "" && len(res.Tags) == 0 && len(res.Notes) == 0 {
		return nil
	}
	return &extra{tags: AppendRuleTags(nil, res), notes: res.Notes}
}

// AppendRuleTags adds the tags that a rule gives, its category first. One that the span has already takes the
// rule's value: a span has each tag once.
func AppendRuleTags(tags []span.Tag, res *keyrules.Result) []span.Tag {
	if res.Category != "" {
		tags = setTag(tags, CategoryTag, res.Category)
	}
	for _, tag := range res.Tags {
		tags = setTag(tags, tag.Name, tag.Value)
	}
	return tags
}

func setTag(tags []span.Tag, name, value string) []span.Tag {
	for i := range tags {
		if tags[i].Key == name {
			tags[i].Value = value
			return tags
		}
	}
	return append(tags, span.Tag{Key: name, Value: value})
}

// add puts it on a span. Notes are counters, so they stand on the sender's side only, once a call.
func (e *extra) add(s *span.Span) {
	if e == nil {
		return
	}
	for _, tag := range e.tags {
		s.Tags = setTag(s.Tags, tag.Key, tag.Value)
	}
	if s.Kind != span.KindClient && s.Kind != span.KindProducer {
		return
	}
	for _, note := range e.notes {
		s.Notes = append(s.Notes, span.Note{Time: s.Start, Value: note})
	}
}
