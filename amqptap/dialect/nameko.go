package dialect

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// nameko reads Nameko (nameko/rpc.py, nameko/events.py of 2.14 and 3.0). Everything it sends has in its headers the calls that led
// there, the caller's own last, so that the tree is exact:
//
//	nameko.call_id_stack   ["web.get_order.c3f1…", "orders.place.6ca7…"]
//
//	rpc      exchange nameko-rpc, or that of the configuration; routing key SERVICE.METHOD
//	reply    the same exchange; routing key is the request's reply_to, a UUID; {"result": …, "error": {"exc_type": …}}
//	event    exchange SERVICE.events, routing key is the event's type; the queue's name tells the handler
//	message  of nameko's Publisher: any exchange
type nameko struct {
	shared
	bodyText
	stack []string
}

const (
	namekoExchange = "nameko-rpc"
	namekoStack    = "nameko.call_id_stack"
	// namekoOutside begins the ids of callers that are no services. Such a caller keeps one id for its life, so that
	// a web server with a pool of them would make one trace of all its requests.
	namekoOutside = "standalone_rpc_proxy."
	// namekoTracked is how many calls a service puts on top of its own if its configuration does not say otherwise
	// (parent_calls_tracked). The first of a longer stack need not be the tree's.
	namekoTracked = 10
)

// Name implements Dialect.
func (n *nameko) Name() string { return "nameko" }

// Decode implements Dialect.
func (n *nameko) Decode(r *Record, m *spanbuilder.Message) Verdict {
	p := &r.Properties
	switch {
	case r.Exchange == "":
		return NotMine
	case p.CorrelationID != "" && p.ReplyTo != "":
		return n.request(r, m)
	case p.CorrelationID != "" && len(r.RoutingKey) == 36:
		return n.reply(r, m)
	case p.Headers == nil || p.CorrelationID != "" || p.ReplyTo != "" || !n.readStack(r):
		return NotMine
	}
	n.oneWay(r, m)
	return Decoded
}

// readStack reports whether the message has a stack, and keeps it.
func (n *nameko) readStack(r *Record) bool {
	if cap(n.stack) > 64 { // made by no service
		n.stack = nil
	}
	n.stack = n.stack[:0]
	if r.Properties.Headers != nil {
		n.stack = r.Properties.Headers.Strings(namekoStack, n.stack)
	}
	return len(n.stack) > 0
}

func (n *nameko) request(r *Record, m *spanbuilder.Message) Verdict {
	dot := strings.LastIndexByte(r.RoutingKey, '.')
	if dot <= 0 || !n.readStack(r) && r.Exchange != namekoExchange {
		return NotMine
	}
	m.Form, m.ID, m.ReplyTo = spanbuilder.FormCall, r.Properties.CorrelationID, r.Properties.ReplyTo
	m.Topic, m.Method = r.RoutingKey[:dot], r.RoutingKey[dot+1:]
	n.relate(m, r.RoutingKey)
	return Decoded
}

// relate tells which work the message came out of, and how what comes out of it will name it: a service's id of a call
// is SERVICE.METHOD and a UUID that it makes as it begins, so only from the next message on is the whole of it known.
func (n *nameko) relate(m *spanbuilder.Message, called string) {
	if len(n.stack) == 0 {
		return
	}
	caller := n.stack[len(n.stack)-1]
	if called != "" {
		m.Work = spanbuilder.IdentOf("nameko", caller, called)
	}
	if len(n.stack) > 1 {
		m.Parent = spanbuilder.IdentOf("nameko", n.stack[len(n.stack)-2], withoutUUID(caller))
	}
	first := n.stack[0]
	if len(n.stack) <= namekoTracked && !strings.HasPrefix(first, namekoOutside) {
		m.Root = strings.TrimPrefix(first[len(withoutUUID(first)):], ".")
	}
	if !strings.HasPrefix(caller, namekoOutside) {
		m.Sender, _, _ = strings.Cut(caller, ".")
	}
}

// withoutUUID is SERVICE.METHOD of SERVICE.METHOD.UUID.
func withoutUUID(id string) string {
	if at := len(id) - 37; at > 0 && id[at] == '.' {
		return id[:at]
	}
	return id
}

// reply knows the replies of the usual exchange by that, those of another by where they go and what they look like.
func (n *nameko) reply(r *Record, m *spanbuilder.Message) Verdict {
	usual := r.Exchange == namekoExchange
	if !usual && !n.addresses.has(r.VHost, r.RoutingKey) {
		return NotMine
	}
	readable := len(r.Body) <= n.limits.MaxBody && isJSON(r.Properties.ContentType)
	if !usual && !readable {
		return NotMine
	}
	class := ""
	if readable {
		n.reset()
		var f fault
		var answers bool
		if class, answers, f = n.failure(r.Body); !usual && (f != faultNone || !answers) {
			return NotMine
		} else if f != faultNone {
			return unusable(f)
		}
	}
	m.Form, m.ID, m.ReplyTo, m.Error = spanbuilder.FormReply, r.Properties.CorrelationID, r.RoutingKey, class
	return Decoded
}

// failure reads the class of the exception, "" if there is none, and whether the body has both members of an answer. The
// exception's arguments and value are not read.
func (n *nameko) failure(body []byte) (class string, answers bool, f fault) {
	s := scanner{b: body}
	result, failed := false, false
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		switch n.name(name) {
		case "result":
			result = true
			s.value()
		case "error":
			failed, class = true, n.exception(&s)
		default:
			s.value()
		}
	}
	return class, result && failed, s.fault
}

func (n *nameko) exception(s *scanner) string {
	if !s.atObject() {
		k, v, ok := s.value()
		if ok && says(k, v) {
			return "error"
		}
		return ""
	}
	if class := n.textIn(s, "exc_type"); class != "" {
		return class
	}
	return "error"
}

func (n *nameko) oneWay(r *Record, m *spanbuilder.Message) {
	source, isEvent := strings.CutSuffix(r.Exchange, ".events")
	if !isEvent {
		m.Form, m.ID, m.Topic = spanbuilder.FormCast, r.Properties.MessageID, r.RoutingKey
		if m.Topic == "" {
			m.Topic = r.Exchange
		}
		m.Method = m.Topic
		n.relate(m, "")
		return
	}
	m.Form, m.ID, m.Method, m.Topic = spanbuilder.FormNotification, r.Properties.MessageID, r.RoutingKey, r.Exchange
	service, handler := namekoHandler(r.Queue, source, r.RoutingKey)
	if service != "" {
		m.Topic = service
	}
	n.relate(m, handler)
}

// namekoHandler reads who handles an event off the queue that it was delivered to, "" if that does not tell:
//
//	evt-orders-placed--stock.count              one of the service's instances
//	evt-orders-placed--stock.count-6d64a5187d…  every one of them
//	evt-orders-placed                           whoever takes it first
//
// handler is SERVICE.METHOD.
func namekoHandler(queue, source, event string) (service, handler string) {
	rest, ok := strings.CutPrefix(queue, "evt-")
	if ok {
		rest, ok = strings.CutPrefix(rest, source)
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, "-")
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, event)
	}
	if ok {
		rest, ok = strings.CutPrefix(rest, "--")
	}
	service, method, dotted := strings.Cut(rest, ".")
	if !ok || !dotted {
		return "", ""
	}
	method, _, _ = strings.Cut(method, "-")
	return service, rest[:len(service)+1+len(method)]
}
