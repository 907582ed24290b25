package dialect

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// massTransit reads MassTransit, .NET's message bus, in its default serialization: JSON in an envelope
// (MassTransit/Serialization/JsonMessageEnvelope.cs of version 8). The content type tells it.
//
//	{"messageId": …, "requestId": …, "correlationId": …, "conversationId": …, "initiatorId": …,
//	 "responseAddress": "rabbitmq://HOST/VHOST/NAME?temporary=true", "messageType": ["urn:message:NAMESPACE:TYPE", …],
//	 "message": {…}, "headers": {"MT-Activity-Id": …}, "host": {"processName": …, "assembly": …}}
//
//	request   requestId and responseAddress; to the exchange of an endpoint, or of the type
//	response  requestId alone; to the exchange that responseAddress names, or by direct reply-to
//	fault     a response of type urn:message:MassTransit:Fault[[TYPE]] or ReceiveFault; message.exceptions[0].exceptionType
//	event     neither; to the exchange of its type, NAMESPACE:TYPE
//	command   neither; to the exchange of an endpoint
//
// Of message only a fault's exceptions are entered. The other serializations (BSON, XML, MessagePack, AES, raw JSON) are not
// read: they fall to the general dialects.
type massTransit struct {
	shared
	bodyText
	envelope massTransitEnvelope
}

// massTransitEnvelope is what is kept of a body.
type massTransitEnvelope struct {
	messageID, requestID, correlationID, conversationID, initiatorID, responseAddress string

	urn                   string // the first of messageType: the type itself, before what it inherits from
	activity              string
	processName, assembly string
	exception             string // class of the first of message.exceptions
	bad                   bool   // an id is no string
}

const (
	massTransitJSON = "application/vnd.masstransit+json"
	massTransitOwn  = "urn:message:MassTransit:" // begins its own types
	massTransitWork = "masstransit"              // domain of IdentOf
)

// Name implements Dialect.
func (t *massTransit) Name() string { return "masstransit" }

// Decode implements Dialect.
func (t *massTransit) Decode(r *Record, m *spanbuilder.Message) Verdict {
	if !strings.HasPrefix(r.Properties.ContentType, massTransitJSON) {
		return NotMine
	}
	if len(r.Body) > t.limits.MaxBody {
		return TooLarge
	}
	t.reset()
	t.envelope = massTransitEnvelope{}
	s := scanner{b: r.Body}
	t.read(&s)
	switch {
	case s.fault != faultNone:
		return unusable(s.fault)
	case t.envelope.bad || t.envelope.urn == "":
		return BadField
	}
	t.fill(r, m)
	return Decoded
}

func (t *massTransit) read(s *scanner) {
	e := &t.envelope
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		switch t.name(name) {
		case "messageId":
			t.id(s, &e.messageID)
		case "requestId":
			t.id(s, &e.requestID)
		case "correlationId":
			t.id(s, &e.correlationID)
		case "conversationId":
			t.id(s, &e.conversationID)
		case "initiatorId":
			t.id(s, &e.initiatorID)
		case "responseAddress":
			t.id(s, &e.responseAddress)
		case "messageType":
			e.urn = t.firstText(s)
		case "message":
			t.message(s)
		case "headers":
			e.activity = t.textIn(s, "MT-Activity-Id")
		case "host":
			t.host(s)
		default:
			s.value()
		}
	}
}

// id reads a member whose absence would make another message of this one: it must be a string or null.
func (t *massTransit) id(s *scanner, to *string) {
	k, v, ok := s.value()
	*to = ""
	switch {
	case !ok || k == kindLiteral && string(v) == "null":
	case k == kindString && len(v) <= maxField:
		*to = t.str(v)
	default:
		t.envelope.bad = true
	}
}

// message enters a message as far as to the class of a fault's first exception. An application's own message may have
// a member of that name; it is used only where the type says that this is a fault.
func (t *massTransit) message(s *scanner) {
	if !s.atObject() {
		s.value()
		return
	}
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		if t.name(name) == "exceptions" {
			t.exceptions(s)
		} else {
			s.value()
		}
	}
}

func (t *massTransit) exceptions(s *scanner) {
	if !s.openArray() {
		s.value()
		return
	}
	for n := 0; s.element(); n++ {
		if n == 0 {
			t.envelope.exception = t.textIn(s, "exceptionType")
		} else {
			s.value()
		}
	}
}

func (t *massTransit) host(s *scanner) {
	if !s.atObject() {
		s.value()
		return
	}
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		switch t.name(name) {
		case "processName":
			t.envelope.processName = t.text(s)
		case "assembly":
			t.envelope.assembly = t.text(s)
		default:
			s.value()
		}
	}
}

// fill tells the forms apart.
func (t *massTransit) fill(r *Record, m *spanbuilder.Message) {
	e := &t.envelope
	m.Sender = e.sender()
	own, _ := strings.CutPrefix(e.urn, massTransitOwn)
	isFault := strings.HasPrefix(own, "Fault") || own == "ReceiveFault"
	moved, queue := movedAside(r.Exchange)
	switch {
	case moved:
		// The endpoint put a message aside that it could not use, as it came. It is not sent again, so it
		// has no identity: the original's would make a second one of that.
		m.Form, m.DeadReason, m.DeadQueue = spanbuilder.FormCast, "fault", queue
		if r.Properties.Headers != nil {
			if reason := r.Properties.Headers.Header("MT-Reason"); reason != "" {
				m.DeadReason = reason
			}
		}
	case e.requestID != "" && (e.responseAddress == "" || isFault):
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormReply, e.requestID, r.Exchange
		if r.Exchange == "" {
			m.ReplyTo = r.RoutingKey
		}
		if isFault {
			if m.Error = lastWord(e.exception); m.Error == "" {
				m.Error = "Fault"
			}
		}
		return
	case e.requestID != "":
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormCall, e.requestID, e.replyTo(r)
	case strings.Contains(r.Exchange, ":"):
		m.Form, m.ID = spanbuilder.FormNotification, e.messageID
	default:
		m.Form, m.ID = spanbuilder.FormCast, e.messageID
	}
	m.Namespace, m.Method = splitURN(e.urn)
	m.Topic = e.topic(r)
	t.relate(m)
}

// relate tells the work. What a consumer sends names in initiatorId what it is at work on by that one's correlationId, or
// else by its requestId (TransferConsumeContextHeaders).
func (t *massTransit) relate(m *spanbuilder.Message) {
	e := &t.envelope
	m.Root = e.conversationID
	if work := e.correlationID; work != "" {
		m.Work = spanbuilder.IdentOf(massTransitWork, work)
	} else if e.requestID != "" {
		m.Work = spanbuilder.IdentOf(massTransitWork, e.requestID)
	}
	if e.initiatorID != "" {
		m.Parent = spanbuilder.IdentOf(massTransitWork, e.initiatorID)
	}
	if m.Context.TraceID.IsZero() && e.activity != "" {
		if c, f := spanbuilder.ParseActivityID(e.activity); f == spanbuilder.NoFault {
			m.Context = c
		}
	}
}

// sender is the program's name; hosts that run any program are not told apart by their own.
func (e *massTransitEnvelope) sender() string {
	switch e.processName {
	case "dotnet", "w3wp", "iisexpress", "":
		return e.assembly
	}
	return e.processName
}

// replyTo is the exchange that responseAddress names, a URI, or the queue of direct reply-to.
func (e *massTransitEnvelope) replyTo(r *Record) string {
	if strings.HasPrefix(r.Properties.ReplyTo, directReplyTo) {
		return r.Properties.ReplyTo
	}
	address, _, _ := strings.Cut(e.responseAddress, "?")
	if slash := strings.LastIndexByte(address, '/'); slash >= 0 {
		return address[slash+1:]
	}
	_, name, _ := strings.Cut(address, ":") // exchange:NAME and queue:NAME, short forms
	return name
}

// topic is the endpoint that a message goes to. Of a published one that is known when it is delivered, until
// then the namespace of its type stands for it.
func (e *massTransitEnvelope) topic(r *Record) string {
	if namespace, _, typed := strings.Cut(r.Exchange, ":"); typed {
		if r.Queue != "" {
			return r.Queue
		}
		return namespace
	}
	if r.Exchange != "" {
		return r.Exchange
	}
	return r.RoutingKey
}

// splitURN reads urn:message:NAMESPACE:TYPE. A generic type's arguments, in brackets, belong to its name.
func splitURN(urn string) (namespace, name string) {
	plain, _, _ := strings.Cut(urn, "[")
	colon := strings.LastIndexByte(plain, ':')
	name = urn[colon+1:]
	namespace = strings.TrimPrefix(urn[:max(colon, 0)], "urn:message")
	return strings.TrimPrefix(namespace, ":"), name
}

// movedAside reports whether an exchange takes what an endpoint could not use, and that endpoint's queue.
func movedAside(exchange string) (moved bool, queue string) {
	if queue, ok := strings.CutSuffix(exchange, "_error"); ok {
		return true, queue
	}
	queue, ok := strings.CutSuffix(exchange, "_skipped")
	return ok, queue
}

// lastWord is a class without its package or namespace.
func lastWord(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }
