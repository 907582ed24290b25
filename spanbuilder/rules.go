package spanbuilder

import (
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

// label is what the rules made of a call, asked once for both its sides. Calls that are alike share it.
type label struct {
	route              *route
	asked              bool   // false: of the route alone
	queue              string // that it was delivered to, "" if that was not known when the rules were asked
	key, name, service string // service: "" if no rule gives it
	ignore             bool
	extra              *extra // nil for most rules
	sample             *keyrules.Sampling
}

// labelCache gives calls that are alike the same *label, in the manner of routeCache.
type labelCache struct {
	rules  *keyrules.Set
	labels map[labelKey]*label
}

// labelKey is all that a label follows from. The result's strings are in it because of what the rules count: a name may
// be one too many, which depends on those before.
type labelKey struct {
	route              *route
	queue, fault       string
	key, name, service string
}

// get asks the rules. queue and fault are kept strings.
func (c *labelCache) get(t *Tracer, r *route, queue, fault string) *label {
	res := keyrules.Result{Key: r.method, Name: r.method}
	if t.Rules != nil {
		res = t.resolve(r, queue, fault)
	}
	if c.rules != t.Rules || len(c.labels) >= maxRoutes {
		clear(c.labels)
		c.rules = t.Rules
	}
	k := labelKey{r, queue, fault, res.Key, res.Name, res.Service}
	if found := c.labels[k]; found != nil {
		return found
	}
	l := &label{
		route: r, asked: true, queue: queue, key: res.Key, name: res.Name, service: res.Service, ignore: res.Ignore, extra: extraOf(&res),
		sample: res.Sample,
	}
	if l.service == r.topic {
		l.service = "" // no rule's, but what was told
	}
	c.labels[k] = l
	return l
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

func (t *Tracer) resolve(r *route, queue, fault string) keyrules.Result {
	facts := rpcCall(r, queue, fault)
	return t.Rules.Resolve(&facts)
}

// rpcCall is what rules may know of an RPC.
func rpcCall(r *route, queue, fault string) keyrules.Call {
	facts := keyrules.Call{
		Kind: keyrules.RPC, Service: r.topic,
		Exchange: r.exchange, RoutingKey: r.routingKey, Queue: queue, Topic: r.topic,
		Namespace: r.namespace, RPCMethod: r.method, Form: formNames[r.form], Error: fault,
	}
	if r.args != "" {
		facts.RPCArg = r.args.Get
	}
	return facts
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
		tags = span.SetTag(tags, CategoryTag, res.Category)
	}
	for _, tag := range res.Tags {
		tags = span.SetTag(tags, tag.Name, tag.Value)
	}
	return tags
}

// add puts it on a span. Notes are counters, so they stand on the sender's side only, once a call.
func (e *extra) add(s *span.Span) {
	if e == nil {
		return
	}
	for _, tag := range e.tags {
		s.Tags = span.SetTag(s.Tags, tag.Key, tag.Value)
	}
	if s.Kind != span.KindClient && s.Kind != span.KindProducer {
		return
	}
	for _, note := range e.notes {
		s.Notes = append(s.Notes, span.Note{Time: s.Start, Value: note})
	}
}
