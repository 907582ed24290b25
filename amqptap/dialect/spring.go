package dialect

import (
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// spring reads Spring AMQP (RabbitTemplate and @RabbitListener of spring-rabbit 3.2). Its RPC is that of any AMQP client, reply_to and
// correlation_id; what is its own is how it sends objects:
//
//	JSON              header __TypeId__ is the class
//	serialized Java   content type application/x-java-serialized-object; the class stands first in the body
//
// The class is the method, since nothing else names one. Text goes without a mark and so falls to direct or plain.
//
// An exception reaches the caller only from a listener with returnExceptions: as a RemoteInvocationResult, whose exception's class serialized
// Java tells and JSON does not. From any other there is no reply, and the call times out.
type spring struct {
	shared
	bodyText
}

const (
	springClass      = "__TypeId__"
	springSerialized = "application/x-java-serialized-object"
)

// Name implements Dialect.
func (p *spring) Name() string { return "spring" }

// Decode implements Dialect.
func (p *spring) Decode(r *Record, m *spanbuilder.Message) Verdict {
	props := &r.Properties
	class, failure := "", ""
	switch {
	case props.ContentType == springSerialized:
		class, failure = serializedClass(r.Body)
	case props.Headers == nil:
		return NotMine
	default:
		if class = props.Headers.Header(springClass); class == "" {
			return NotMine
		}
	}
	if props.ReplyTo == "" && p.isReply(r) {
		m.Form, m.ReplyTo, m.ID, m.Error = spanbuilder.FormReply, r.RoutingKey, props.CorrelationID, failure
		if props.ContentType == "application/json" && len(r.Body) <= p.limits.MaxBody {
			m.Error = p.failureInJSON(r.Body)
		}
		return Decoded
	}
	if m.Topic = r.RoutingKey; m.Topic == "" {
		m.Topic = r.Exchange
	}
	if m.Method = methodOfClass(class); m.Method == "" {
		m.Method = m.Topic
	}
	m.Form, m.ID = spanbuilder.FormCast, props.MessageID
	switch {
	case props.ReplyTo != "":
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormCall, props.CorrelationID, springReplyKey(props.ReplyTo)
	case r.Exchange == "amq.fanout":
		m.Form = spanbuilder.FormFanout
	}
	return Decoded
}

// springReplyKey is the routing key of a reply. Spring writes an address as the key, as /KEY or as EXCHANGE/KEY; one of
// direct reply-to is the broker's and has slashes of its own.
func springReplyKey(replyTo string) string {
	if slash := strings.LastIndexByte(replyTo, '/'); slash >= 0 && !strings.HasPrefix(replyTo, directReplyTo) {
		return replyTo[slash+1:]
	}
	return replyTo
}

// methodOfClass is what a class says of a call: its last word, unless it is one of Java's own, such as java.util.HashMap.
func methodOfClass(class string) string {
	if strings.HasPrefix(class, "java.") || strings.HasPrefix(class, "[") {
		return ""
	}
	return class[strings.LastIndexAny(class, ".$")+1:]
}

// failureInJSON recognises a RemoteInvocationResult, {"value": null, "exception": {"cause": …, "stackTrace": […], …}}: its
// __TypeId__ is that of the result that was to be. The exception's class is not in it.
func (p *spring) failureInJSON(body []byte) string {
	switch string(firstMember(body)) {
	case "value", "exception":
	default:
		return ""
	}
	p.reset()
	s := scanner{b: body}
	isNull, isThrowable, others := false, false, 0
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		switch p.name(name) {
		case "value":
			isNull = isLiteral(&s, "null")
		case "exception":
			isThrowable = p.isThrowable(&s)
		default:
			others++
			s.value()
		}
	}
	if s.fault == faultNone && isNull && isThrowable && others == 0 {
		return "failure"
	}
	return ""
}

// isThrowable reports whether the value that s stands on is a java.lang.Throwable.
func (p *spring) isThrowable(s *scanner) bool {
	if !s.atObject() {
		s.value()
		return false
	}
	trace, message := false, false
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		switch p.name(name) {
		case "stackTrace":
			trace = true
		case "message":
			message = true
		}
		s.value()
	}
	return trace && message
}
