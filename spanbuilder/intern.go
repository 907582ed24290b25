package spanbuilder

import "strings"

const (
	maxText   = 256  // bytes of any value that reaches a span
	maxRoutes = 4096 // different routes remembered at once
	maxTexts  = 4096
)

// route is what all messages of one kind have in common, kept once however many calls are open.
type route struct {
	dialect, vhost, exchange, routingKey, topic, namespace, method string
	form                                                           Form
}

// routeCache gives equal messages the same *route. When it is full it begins anew: routes in use live on
// with the calls that hold them. So a flood of routing keys costs time, never memory.
type routeCache struct{ byHash map[uint64]*route }

func (c *routeCache) init() { c.byHash = make(map[uint64]*route) }

func (c *routeCache) get(m *Message) *route {
	r := route{
		dialect: clip(m.Dialect), vhost: clip(m.VHost), exchange: clip(m.Exchange),
		routingKey: clip(m.RoutingKey), topic: clip(m.Topic),
		namespace: clip(m.Namespace), method: clip(m.Method), form: m.Form,
	}
	h := hasher{a: uint64(r.form)}
	for _, s := range [...]string{r.dialect, r.vhost, r.exchange, r.routingKey, r.topic, r.namespace, r.method} {
		h.text(s)
	}
	if found := c.byHash[h.a]; found != nil && *found == r {
		return found
	}
	if len(c.byHash) >= maxRoutes {
		clear(c.byHash)
	}
	kept := &route{
		strings.Clone(r.dialect), strings.Clone(r.vhost), strings.Clone(r.exchange),
		strings.Clone(r.routingKey), strings.Clone(r.topic),
		strings.Clone(r.namespace), strings.Clone(r.method), r.form,
	}
	c.byHash[h.a] = kept
	return kept
}

// owner is on whose behalf a message was sent.
type owner struct{ user, project string }

// ownerCache gives equal owners the same *owner, in the manner of routeCache.
type ownerCache struct{ byHash map[uint64]*owner }

func (c *ownerCache) init() { c.byHash = make(map[uint64]*owner) }

var nobody = &owner{}

func (c *ownerCache) get(m *Message) *owner {
	if m.UserID == "" && m.ProjectID == "" {
		return nobody
	}
	o := owner{clip(m.UserID), clip(m.ProjectID)}
	var h hasher
	h.text(o.user)
	h.text(o.project)
	if found := c.byHash[h.a]; found != nil && *found == o {
		return found
	}
	if len(c.byHash) >= maxTexts {
		clear(c.byHash)
	}
	kept := &owner{strings.Clone(o.user), strings.Clone(o.project)}
	c.byHash[h.a] = kept
	return kept
}

// textCache gives equal strings, such as queue names and exception classes, the same copy.
type textCache struct{ texts map[string]string }

func (c *textCache) init() { c.texts = make(map[string]string) }

func (c *textCache) get(s string) string {
	if s == "" {
		return ""
	}
	s = clip(s)
	if kept, ok := c.texts[s]; ok {
		return kept
	}
	if len(c.texts) >= maxTexts {
		clear(c.texts)
	}
	kept := strings.Clone(s)
	c.texts[kept] = kept
	return kept
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
