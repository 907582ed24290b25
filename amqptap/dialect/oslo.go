package dialect

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/calltap/calltap/spanbuilder"
)

// maxField bounds the members that are read, as they stand in the body. Real ones are below 100 bytes.
const maxField = 512

// oslo reads oslo.messaging, the RPC of OpenStack, in its envelope of version 2.0
// (oslo_messaging/_drivers/common.py): JSON inside a string inside JSON, and for a remote
// exception once more inside that.
//
//	{"oslo.version": "2.0", "oslo.message": "{\"method\": \"f\", \"args\": {…}, \"_msg_id\": …}"}
//
// It also reads messages without the envelope, as the notification driver "messaging" sends them.
type oslo struct {
	limits Limits
	twins  osloTwins

	// What was found in the current body.
	osloBody
	args osloArgReader

	// Scratch that the strings of one message may point into.
	inner  []byte // a whole message, unescaped
	values []byte // single members, unescaped
}

// osloBody is what one body says. Its strings point into the body, or into scratch.
type osloBody struct {
	enveloped bool
	bad       bool // a vital member is unusable
	ending    bool
	seen      uint32
	text      [osloStrings + 1]string
	failure   string // class of the remote exception
	traceBase string // osprofiler's base_id
	timeout   time.Duration
}

// Name implements Dialect.
func (o *oslo) Name() string { return "oslo" }

// Decode implements Dialect.
func (o *oslo) Decode(r *Record, m *spanbuilder.Message) Verdict {
	if len(r.Body) > o.limits.MaxBody {
		if startsEnvelope(r.Body) {
			return TooLarge
		}
		return NotMine
	}
	o.reset()
	if o.twins.recall(o, r) {
		return o.fill(r, m)
	}
	f := o.envelope(r.Body)
	switch {
	case !o.enveloped && (f != faultNone || !o.isBare()):
		return NotMine
	case f == faultDeep:
		return TooDeep
	case f != faultNone:
		return BadJSON
	case o.bad:
		return BadField
	}
	o.twins.keep(o, r)
	return o.fill(r, m)
}

func (o *oslo) reset() {
	o.osloBody = osloBody{ending: true}
	o.values, o.args.found = o.values[:0], o.args.found[:0]
}

// startsEnvelope sniffs at a body that is too large to be read.
func startsEnvelope(body []byte) bool {
	return bytes.Contains(body[:min(len(body), 64)], []byte(`"oslo.`))
}

// envelope reads the outer object. Members that it should not have are read as those of a bare
// message; isBare tells afterwards whether they make one.
func (o *oslo) envelope(body []byte) fault {
	s := scanner{b: body}
	if !s.open() {
		return s.fault
	}
	for {
		name, ok := s.key()
		if !ok {
			return s.fault
		}
		switch f := o.field(name, 0); {
		case f == osloMessage && s.atString():
			o.reset() // of whatever stands beside it
			o.enveloped = true
			o.message(&s)
		case f == osloVersion || o.enveloped:
			o.enveloped = true
			s.value()
		default:
			o.member(&s, f)
		}
		if s.fault != faultNone {
			return s.fault
		}
	}
}

// message reads the message inside the envelope's string, on which s stands, as it stands: what
// unescaping it would cost is half of the tap's work. If its escapes are unusual it is unescaped after all.
func (o *oslo) message(s *scanner) {
	inner := scanner{b: s.b, i: s.i + 1, level: 1}
	o.object(&inner)
	if inner.fault == faultNone {
		inner.space()
		if inner.i < len(s.b) && s.b[inner.i] == '"' {
			s.i = inner.i + 1
			return
		}
		inner.unexpected()
	}
	if inner.fault != faultOdd {
		s.fail(inner.fault)
		return
	}
	raw, ok := s.str()
	if !ok {
		return
	}
	o.reset()
	o.enveloped = true
	o.inner = appendUnescaped(o.inner[:0], raw)
	plain := scanner{b: o.inner}
	o.object(&plain)
	s.fail(plain.fault)
}

// object reads all members of the message that s stands on.
func (o *oslo) object(s *scanner) {
	if !s.open() {
		return
	}
	for {
		name, ok := s.key()
		if !ok {
			return
		}
		o.member(s, o.field(name, s.level))
		if s.fault != faultNone {
			return
		}
	}
}

// field finds the member that a name as it stands means.
func (o *oslo) field(name []byte, level uint) osloField {
	if bytes.IndexByte(name, '\\') < 0 {
		return osloFieldOf(name)
	}
	if len(name) > maxField {
		return osloOther
	}
	return osloFieldOf(o.unescape(name, level))
}

// member reads the value of a member. As in any JSON parser the last of its name wins.
func (o *oslo) member(s *scanner, f osloField) {
	if f == osloArgs && len(o.args.wanted) > 0 {
		o.arguments(s)
		return
	}
	if f == osloTraceInfo {
		o.traceInfo(s)
		return
	}
	kind, raw, ok := s.value()
	if !ok || f == osloOther || f == osloArgs {
		return
	}
	isNull := kind == kindLiteral && string(raw) == "null"
	o.seen |= 1 << f
	switch {
	case f <= osloStrings:
		o.text[f] = ""
		if kind == kindString && len(raw) <= maxField {
			o.text[f] = o.str(raw, s.level)
		} else if f <= osloVital && !isNull {
			o.bad = true
		}
	case f == osloEnding:
		o.ending = kind != kindLiteral || string(raw) != "false"
	case f == osloTimeout:
		o.timeout = 0
		if kind == kindLiteral && !isNull {
			o.timeout = duration(raw, time.Second)
		}
	case f == osloFailure:
		o.failure = ""
		if !isNull {
			o.failure = o.exception(kind, raw, s.level)
		}
	}
}

// traceInfo reads {"hmac_key": …, "base_id": …, "parent_id": …}.
func (o *oslo) traceInfo(s *scanner) {
	o.traceBase = ""
	if !s.atObject() {
		s.value()
		return
	}
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			return
		}
		isBase := len(name) <= maxField && o.str(name, s.level) == "base_id"
		if k, v, ok := s.value(); ok && isBase {
			if o.traceBase = ""; k == kindString && len(v) <= maxField {
				o.traceBase = o.str(v, s.level)
			}
		}
	}
}

// exception reads the class out of a serialized exception, {"class": …, "module": …, "message": …,
// "tb": […], "args": …}. Only its name is fit for a span: messages and tracebacks hold arguments.
func (o *oslo) exception(k kind, raw []byte, level uint) string {
	const unknown = "failure"
	if k != kindString {
		return unknown
	}
	s := scanner{b: raw, level: level + 1}
	class := o.class(&s)
	if s.fault == faultOdd {
		s = scanner{b: o.unescape(raw, level)}
		class = o.class(&s)
	}
	if class == "" {
		return unknown
	}
	return class
}

func (o *oslo) class(s *scanner) string {
	class := ""
	if !s.open() {
		return class
	}
	for {
		name, ok := s.key()
		if !ok {
			return class
		}
		k, v, ok := s.value()
		if !ok {
			return class
		}
		if o.str(name, s.level) == "class" && k == kindString && len(v) <= maxField {
			class = o.str(v, s.level)
		}
	}
}

// str is the text that the inside of a string means: in nearly all cases that inside itself.
func (o *oslo) str(raw []byte, level uint) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = o.unescape(raw, level)
	}
	return view(raw)
}

// unescape undoes the escapes of a string at a level: its own and those of the strings around it.
func (o *oslo) unescape(raw []byte, level uint) []byte {
	start := len(o.values)
	o.values = appendUnescaped(o.values, raw)
	v := o.values[start:]
	for range level {
		v = appendUnescaped(v[:0], v)
	}
	o.values = o.values[:start+len(v)]
	return v
}

// duration reads a JSON number of units; 0 is none or nonsense.
func duration(raw []byte, unit time.Duration) time.Duration {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return time.Duration(min(f*float64(unit), float64(maxTimeout)))
}

// isBare reports whether members without an envelope make an oslo message.
func (o *oslo) isBare() bool {
	notification := o.has(osloMessageID) && o.has(osloEventType) && o.has(osloPublisher)
	request := o.has(osloUniqueID) && (o.has(osloMethod) || o.has(osloMsgID))
	return notification || request
}

func (o *oslo) has(f osloField) bool { return o.seen&(1<<f) != 0 }

// fill tells the forms apart by the members that each has:
//
//	call          method, _msg_id, _reply_q
//	cast, fanout  method; a fanout's exchange is TOPIC_fanout
//	reply         _msg_id, and ending: true
//	heartbeat     _msg_id, and ending: false
//	notification  event_type
func (o *oslo) fill(r *Record, m *spanbuilder.Message) Verdict {
	switch {
	case o.text[osloMethod] != "":
		o.fillRequest(r, m)
	case o.text[osloEventType] != "":
		m.Form, m.Method = spanbuilder.FormNotification, o.text[osloEventType]
		m.Topic = r.RoutingKey[:max(strings.LastIndexByte(r.RoutingKey, '.'), 0)] // TOPIC.PRIORITY
		if m.ID = o.text[osloUniqueID]; m.ID == "" {
			m.ID = o.text[osloMessageID]
		}
	case o.text[osloMsgID] != "":
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormReply, o.text[osloMsgID], r.RoutingKey
		m.Error = o.failure
		if !o.ending {
			m.Form = spanbuilder.FormHeartbeat
		}
		return Decoded
	default:
		return BadField
	}
	o.fillContext(m)
	return Decoded
}

func (o *oslo) fillRequest(r *Record, m *spanbuilder.Message) {
	m.Method, m.Namespace = o.text[osloMethod], o.text[osloNamespace]
	m.Args = spanbuilder.Args(view(o.args.found))
	m.Topic, m.Server = osloAddress(r.RoutingKey)
	topic, fanout := strings.CutSuffix(r.Exchange, "_fanout")
	switch {
	case o.text[osloMsgID] != "" && o.text[osloReplyQ] != "":
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormCall, o.text[osloMsgID], o.text[osloReplyQ]
		if m.Timeout == 0 {
			m.Timeout = o.timeout
		}
	case fanout:
		m.Form, m.ID, m.Topic, m.Server = spanbuilder.FormFanout, o.text[osloUniqueID], topic, ""
	default:
		m.Form, m.ID = spanbuilder.FormCast, o.text[osloUniqueID]
	}
}

// osloAddress takes a routing key apart, TOPIC or TOPIC.SERVER. Either may have dots, and the key does not tell which has: servers have, since
// they are hosts, and topics have none but where there are fanouts alone (neutron's objects, such as neutron-vo-Port-1.9). Cinder puts HOST@BACKEND
// into the topic and HOST behind it; there the server is HOST@BACKEND.
func osloAddress(key string) (topic, server string) {
	topic, server, _ = strings.Cut(key, ".")
	if at := strings.IndexByte(server, '@'); at > 0 {
		if backend, ok := strings.CutSuffix(server, "."+server[:at]); ok {
			server = backend
		}
	}
	return topic, server
}

func (o *oslo) fillContext(m *spanbuilder.Message) {
	m.RequestID, m.GlobalRequestID = o.text[osloRequestID], o.text[osloGlobalID]
	m.UserID, m.ProjectID = o.text[osloUserID], o.text[osloProjectID]
	if m.UserID == "" {
		m.UserID = o.text[osloUser]
	}
	if m.Context.TraceID.IsZero() && o.text[osloTraceparent] != "" {
		if c, f := spanbuilder.ParseTraceparent(o.text[osloTraceparent]); f == spanbuilder.NoFault {
			m.Context = c
		}
	}
	if m.Context.TraceID.IsZero() && o.traceBase != "" {
		if c, f := spanbuilder.ParseProfilerBase(o.traceBase); f == spanbuilder.NoFault {
			m.Context = c
		}
	}
}
