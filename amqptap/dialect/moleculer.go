package dialect

import (
	"strings"
	"time"

	"github.com/calltap/calltap/spanbuilder"
)

// moleculer reads Moleculer, a framework of Node.js, over its AMQP transporter (moleculer/src/transporters/amqp.js, protocol 4 and 5) with
// its default serializer, JSON. Queues and exchanges, which begin with MOL or MOL-NAMESPACE, tell the kind of packet:
//
//	request   to MOL.REQ.NODE, or MOL.REQB.ACTION where the broker balances
//	          {"id", "action", "params", "meta", "timeout", "parentID", "requestID", "caller", "sender"}
//	response  to MOL.RES.NODE, NODE being the request's sender
//	          {"id", "meta", "success", "data", "error": {"name"}, "sender"}
//	event     to MOL.EVENT.NODE, to MOL.EVENTB.GROUP.EVENT, or to all by the exchange MOL.EVENT
//	          {"id", "event", "data", "groups", …}
//	others    INFO, HEARTBEAT, …: nodes telling of themselves
//
// id names the work that a packet causes, parentID the work that caused it, requestID the whole tree. Properties and headers are
// empty. params, data and meta are the application's and are not read, but for trace headers in meta. Packets of another serializer
// fall to the general dialects, as one-way messages.
type moleculer struct {
	shared
	bodyText
	packet moleculerPacket
}

// moleculerPacket is what is kept of a body.
type moleculerPacket struct {
	id, action, event, parentID, requestID, sender string

	caller    string // the service that sent it, "" from without one
	group     string // the first that an event is for
	failure   string // class of the error
	failed    bool   // success is false
	streams   bool   // more packets of this id follow
	sequel    bool   // it is not the first of its id
	timeout   time.Duration
	context   spanbuilder.Context
	badFields bool
}

// moleculerWork is the domain of IdentOf.
const moleculerWork = "moleculer"

// Name implements Dialect.
func (o *moleculer) Name() string { return "moleculer" }

// Decode implements Dialect.
func (o *moleculer) Decode(r *Record, m *spanbuilder.Message) Verdict {
	address := r.RoutingKey
	if address == "" {
		address = r.Exchange
	}
	if len(address) < 6 || address[:3] != "MOL" || address[3] != '.' && address[3] != '-' {
		return NotMine
	}
	prefix, kind, rest := moleculerAddress(address)
	switch {
	case kind == "":
		return NotMine
	case len(r.Body) == 0 || r.Body[0] != '{':
		return NotMine
	case !isMoleculerCall(kind):
		return Ignored
	case len(r.Body) > o.limits.MaxBody:
		return TooLarge
	}
	o.reset()
	o.packet = moleculerPacket{}
	s := scanner{b: r.Body}
	o.read(&s)
	switch {
	case s.fault != faultNone:
		return unusable(s.fault)
	case o.packet.badFields || o.packet.id == "" || o.packet.sender == "":
		return BadField
	}
	if m.Sender = o.packet.caller; m.Sender == "" {
		m.Sender = withoutNumber(o.packet.sender)
	}
	switch kind {
	case "REQ", "REQB":
		return o.request(m, prefix, kind, rest)
	case "RES":
		return o.response(m, address)
	}
	return o.event(m, kind, rest)
}

// moleculerAddress takes the name of a queue or exchange apart: MOL-shop, REQ and greeter-1 of MOL-shop.REQ.greeter-1. A namespace may have
// dots too. kind is "" if none of Moleculer's is there.
func moleculerAddress(name string) (prefix, kind, rest string) {
	for at := strings.IndexByte(name, '.'); at >= 0; {
		word := name[at+1:]
		end := strings.IndexByte(word, '.')
		if end >= 0 {
			word = word[:end]
		}
		if isMoleculerCall(word) || isMoleculerOther(word) {
			return name[:at], word, strings.TrimPrefix(name[at+1+len(word):], ".")
		}
		if end < 0 {
			break
		}
		at += 1 + end
	}
	return "", "", ""
}

func isMoleculerCall(kind string) bool {
	switch kind {
	case "REQ", "REQB", "RES", "EVENT", "EVENTB":
		return true
	}
	return false
}

// isMoleculerOther knows the packets by which nodes tell of themselves.
func isMoleculerOther(kind string) bool {
	switch kind {
	case "INFO", "HEARTBEAT", "DISCOVER", "DISCONNECT", "PING", "PONG":
		return true
	}
	return false
}

func (o *moleculer) read(s *scanner) {
	p := &o.packet
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		switch o.name(name) {
		case "id":
			o.word(s, &p.id)
		case "action":
			o.word(s, &p.action)
		case "event":
			o.word(s, &p.event)
		case "sender":
			o.word(s, &p.sender)
		case "caller":
			p.caller = o.text(s)
		case "groups":
			p.group = o.firstText(s)
		case "parentID":
			p.parentID = o.text(s)
		case "requestID":
			p.requestID = o.text(s)
		case "timeout":
			p.timeout = milliseconds(s)
		case "success":
			p.failed = isLiteral(s, "false")
		case "stream":
			p.streams = isLiteral(s, "true")
		case "seq":
			k, v, ok := s.value()
			p.sequel = ok && k == kindLiteral && string(v) != "0" && string(v) != "null"
		case "error":
			p.failure = o.textIn(s, "name")
		case "meta":
			o.meta(s)
		default:
			s.value()
		}
	}
}

// word reads a member that a packet cannot be used without.
func (o *moleculer) word(s *scanner, to *string) {
	k, v, ok := s.value()
	if ok && k == kindString && len(v) <= maxField {
		*to = o.str(v)
	} else if ok && !(k == kindLiteral && string(v) == "null") {
		o.packet.badFields = true
	}
}

// meta is what an application sends along with everything; trace headers in it are a context.
func (o *moleculer) meta(s *scanner) {
	if !s.atObject() {
		s.value()
		return
	}
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		parse := contextParser(o.name(name))
		if parse == nil || !o.packet.context.TraceID.IsZero() {
			s.value()
		} else if text := o.text(s); text != "" {
			if c, f := parse(text); f == spanbuilder.NoFault {
				o.packet.context = c
			}
		}
	}
}

func (o *moleculer) request(m *spanbuilder.Message, prefix, kind, rest string) Verdict {
	p := &o.packet
	if p.action == "" {
		return BadField
	}
	if p.sequel {
		return Ignored // a further part of a stream of arguments
	}
	m.Form, m.ID = spanbuilder.FormCall, p.id
	start := len(o.scratch)
	o.scratch = append(append(append(o.scratch, prefix...), ".RES."...), p.sender...)
	m.ReplyTo = view(o.scratch[start:])
	if kind == "REQ" {
		m.Server = rest
	}
	m.Topic, m.Method = splitAction(p.action)
	if m.Timeout == 0 {
		m.Timeout = p.timeout
	}
	o.relate(m)
	return Decoded
}

func (o *moleculer) response(m *spanbuilder.Message, address string) Verdict {
	p := &o.packet
	m.Form, m.ID, m.ReplyTo = spanbuilder.FormReply, p.id, address
	if p.streams {
		m.Form = spanbuilder.FormHeartbeat // the last part of a stream ends the call
		return Decoded
	}
	if p.failed {
		if m.Error = p.failure; m.Error == "" {
			m.Error = "failure"
		}
	}
	return Decoded
}

// event reads a packet of one receiver or of all. What the broker balances goes to each group with the same id, so that there the
// address belongs to the identity.
func (o *moleculer) event(m *spanbuilder.Message, kind, rest string) Verdict {
	p := &o.packet
	if p.event == "" {
		return BadField
	}
	m.Form, m.Method, m.ID = spanbuilder.FormNotification, p.event, p.id
	switch kind {
	case "EVENT":
		if rest == "" { // to all, by the exchange
			_, _, rest = moleculerAddress(m.Queue)
		}
		m.Server, m.Topic = rest, withoutNumber(rest)
	case "EVENTB":
		start := len(o.scratch)
		o.scratch = append(append(append(o.scratch, p.id...), ' '), rest...)
		m.ID = view(o.scratch[start:])
		m.Topic = strings.TrimSuffix(strings.TrimSuffix(rest, p.event), ".")
	}
	if p.group != "" {
		m.Topic = p.group
	}
	if m.Topic == "" {
		m.Topic, _ = splitAction(p.event)
	}
	o.relate(m)
	return Decoded
}

func (o *moleculer) relate(m *spanbuilder.Message) {
	p := &o.packet
	m.Root = p.requestID
	m.Work = spanbuilder.IdentOf(moleculerWork, p.id)
	if p.parentID != "" {
		m.Parent = spanbuilder.IdentOf(moleculerWork, p.parentID)
	}
	if m.Context.TraceID.IsZero() {
		m.Context = p.context
	}
}

// splitAction takes the service from the name: greeter and hello of greeter.hello, v2.greeter and hello of v2.greeter.hello.
func splitAction(name string) (service, action string) {
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		return name[:dot], name[dot+1:]
	}
	return name, name
}

// withoutNumber is the part of a node's name that its next start will have too: Moleculer names nodes HOST-PID, operators NAME-NUMBER.
func withoutNumber(node string) string {
	name := strings.TrimRight(node, "0123456789")
	if len(name) > 1 && len(name) < len(node) && name[len(name)-1] == '-' {
		return name[:len(name)-1]
	}
	return node
}

// isLiteral steps over a value and reports whether it is that literal.
func isLiteral(s *scanner, literal string) bool {
	k, v, ok := s.value()
	return ok && k == kindLiteral && string(v) == literal
}

// milliseconds reads a number of them; 0 is none or nonsense.
func milliseconds(s *scanner) time.Duration {
	k, v, ok := s.value()
	if !ok || k != kindLiteral {
		return 0
	}
	return duration(v, time.Millisecond)
}
