package spanbuilder

import "strings"

// Which service a span shows, first that is known:
//
//	receiver   the rule's; its program's own name; the name of the program that serves that topic elsewhere;
//	           topic; queue; exchange
//	sender     that of the work it was sent out of, so that a process has one name in a trace; its program's own name; the topic
//	           that it serves; that of the HTTP span above; what the message says of its sender; exchange
//
// The receiver's is settled when the work begins, for its own span and for all that it sends.

// addressee is who a message is for, as far as it tells.
type addressee struct{ vhost, exchange, topic string }

// serviceCache remembers by what name programs call themselves that serve a topic, in the manner of routeCache.
type serviceCache map[addressee]string

func (c serviceCache) learn(r *route, name string) {
	k := addressee{r.vhost, r.exchange, r.topic}
	if c[k] == name {
		return
	}
	if len(c) >= maxTexts {
		clear(c)
	}
	c[k] = name
}

// servedBy names the service that gets a message. ruled is what a rule says, receiver nobody as long as it is unknown.
func (p *Pairer) servedBy(ruled string, r *route, queue string, receiver processRef) string {
	if ruled != "" {
		return ruled
	}
	if name := p.processes.name(receiver); name != "" {
		p.services.learn(r, name)
		return name
	}
	for _, name := range [...]string{p.services[addressee{r.vhost, r.exchange, r.topic}], r.topic, queue, r.exchange} {
		if name != "" {
			return name
		}
	}
	return "rpc"
}

// calleeOf names the receiver of a call.
func (p *Pairer) calleeOf(c *call) string {
	if c.seen(requestDelivered) {
		return c.work.role.service
	}
	return p.servedBy(c.label.service, c.route(), c.label.queue, processRef{})
}

// caller names the service that sent a message, "" if nothing tells.
func (p *Pairer) caller(sender processRef, parent origin, r *route) string {
	if parent.exact && parent.service != "" {
		return parent.service
	}
	for _, name := range [...]string{p.processes.label(sender), parent.service} {
		if name != "" {
			return name
		}
	}
	if !generic(r.sender) {
		return r.sender
	}
	return ""
}

// callerOr is caller with a name for the unknown: the exchange, unless that is named for who listens (oslo's TOPIC_fanout),
// which would make the receiver call itself.
func (p *Pairer) callerOr(sender processRef, parent origin, r *route) string {
	if name := p.caller(sender, parent, r); name != "" {
		return name
	}
	p.nameless = localSide
	if r.exchange != "" && !strings.HasSuffix(r.exchange, "_fanout") {
		return r.exchange
	}
	return "rpc"
}
