package spanbuilder

import "strings"

const (
	maxText   = 256  // bytes of any value that reaches a span
	maxRoutes = 4096 // different routes remembered at once
	maxTexts  = 4096
)

// route is what all messages of one kind have in common, kept once however many calls are open.
type route struct {
	routeFacts
	unasked label // of calls of which no more is known yet
}

type routeFacts struct {
	dialect, vhost, exchange, routingKey, topic, server, namespace, method, sender string

	form Form
	args Args
}

// routeCache gives equal messages the same *route. When it is full it begins anew: routes in use live on
// with the calls that hold them. So a flood of routing keys costs time, never memory.
type routeCache map[routeFacts]*route

func (c routeCache) get(m *Message) *route {
	r := routeFacts{
		dialect: clip(m.Dialect), vhost: clip(m.VHost), exchange: clip(m.Exchange),
		routingKey: clip(m.RoutingKey), topic: clip(m.Topic), server: clip(m.Server),
		namespace: clip(m.Namespace), method: clip(m.Method), sender: clip(m.Sender), form: m.Form,
		args: m.Args[:min(len(m.Args), maxArgs)],
	}
	if found := c[r]; found != nil {
		return found
	}
	if len(c) >= maxRoutes {
		clear(c)
	}
	kept := &route{routeFacts: routeFacts{
		strings.Clone(r.dialect), strings.Clone(r.vhost), strings.Clone(r.exchange),
		strings.Clone(r.routingKey), strings.Clone(r.topic), strings.Clone(r.server),
		strings.Clone(r.namespace), strings.Clone(r.method), strings.Clone(r.sender), r.form,
		Args(strings.Clone(string(r.args))),
	}}
	kept.unasked.route = kept
	c[kept.routeFacts] = kept
	return kept
}

// role is what a process did at a work: the topic of what it got, and the service that its span shows.
type role struct{ topic, service string }

// roleCache gives equal roles the same *role, in the manner of routeCache. Both texts are kept ones.
type roleCache map[role]*role

func (c roleCache) get(topic, service string) *role {
	r := role{topic, service}
	if found := c[r]; found != nil {
		return found
	}
	if len(c) >= maxTexts {
		clear(c)
	}
	kept := &role{topic, service} // not &r, which would be allocated at each call
	c[r] = kept
	return kept
}

// owner is on whose behalf a message was sent.
type owner struct{ user, project string }

var nobody = &owner{}

// ownerCache gives equal owners the same *owner, in the manner of routeCache.
type ownerCache map[owner]*owner

func (c ownerCache) get(m *Message) *owner {
	if m.UserID == "" && m.ProjectID == "" {
		return nobody
	}
	o := owner{clip(m.UserID), clip(m.ProjectID)}
	if found := c[o]; found != nil {
		return found
	}
	if len(c) >= maxTexts {
		clear(c)
	}
	kept := &owner{strings.Clone(o.user), strings.Clone(o.project)}
	c[*kept] = kept
	return kept
}

// textCache gives equal strings, such as queue names and exception classes, the same copy.
type textCache map[string]*string

func (c textCache) get(s string) string {
	if s == "" {
		return ""
	}
	return *c.ref(s)
}

// ref returns the copy by its address, which takes less room; nil for "".
func (c textCache) ref(s string) *string {
	if s == "" {
		return nil
	}
	s = clip(s)
	if kept, ok := c[s]; ok {
		return kept
	}
	if len(c) >= maxTexts {
		clear(c)
	}
	kept := strings.Clone(s)
	c[kept] = &kept
	return &kept
}

// clip cuts a foreign string to what a span may hold, at a rune's end.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > maxText-4 && s[end]&0xc0 == 0x80 {
		end--
	}
	return s[:end]
}
