package dialect

import (
	"github.com/calltap/calltap/spanbuilder"
)

// jsonrpc reads JSON-RPC 2.0 (https://www.jsonrpc.org/specification), which many small RPC libraries put into a message that
// has reply_to and correlation_id:
//
//	request        {"jsonrpc": "2.0", "method": "sum", "params": […], "id": 1}
//	notification   the same without id: no reply
//	response       {"jsonrpc": "2.0", "result": 3, "id": 1} or {…, "error": {"code": -32601, "message": …}, …}
//	batch          an array of these; Method is that of the first, and Set.Batches counts it
//
// A call is named by correlation_id, else by id, which is unique only among the calls of one client.
type jsonrpc struct {
	shared
	bodyText
	rpcMessage
}

// rpcMessage is what a body, or the elements of a batch together, say.
type rpcMessage struct {
	version  bool   // "jsonrpc" is "2.0"
	method   string // of the first request
	id       string // the first that there is; "" for null
	failure  string // of the first response that is an error
	answers  bool   // there is a response
	expected bool   // there is a request with an id
}

// Name implements Dialect.
func (j *jsonrpc) Name() string { return "jsonrpc" }

// Decode implements Dialect.
func (j *jsonrpc) Decode(r *Record, m *spanbuilder.Message) Verdict {
	isBatch := len(r.Body) > 1 && r.Body[0] == '['
	first := r.Body
	if isBatch {
		first = first[1:]
	}
	if !isRPCMember(firstMember(first)) || len(r.Body) > j.limits.MaxBody {
		return NotMine
	}
	j.reset()
	j.rpcMessage = rpcMessage{}
	s := scanner{b: r.Body}
	if isBatch {
		j.batch(&s)
	} else {
		j.one(&s, &j.rpcMessage)
	}
	switch {
	case !j.version:
		return NotMine
	case s.fault != faultNone:
		return unusable(s.fault)
	case j.method == "" && !j.answers:
		return BadField
	}
	if isBatch {
		*j.batches++
	}
	j.fill(r, m)
	return Decoded
}

func (j *jsonrpc) fill(r *Record, m *spanbuilder.Message) {
	p := &r.Properties
	id := p.CorrelationID
	if id == "" {
		id = j.id
	}
	if j.answers {
		m.Form, m.ID, m.ReplyTo, m.Error = spanbuilder.FormReply, id, r.RoutingKey, j.failure
		return
	}
	m.Method = j.method
	if m.Topic = r.RoutingKey; m.Topic == "" {
		m.Topic = r.Exchange
	}
	if j.expected && p.ReplyTo != "" {
		m.Form, m.ID, m.ReplyTo = spanbuilder.FormCall, id, p.ReplyTo
		return
	}
	m.Form, m.ID = spanbuilder.FormCast, p.MessageID
	if r.Exchange == "amq.fanout" {
		m.Form = spanbuilder.FormFanout
	}
}

// batch reads an array of messages into one. Whatever else it holds is passed over.
func (j *jsonrpc) batch(s *scanner) {
	s.i++ // the bracket
	for s.fault == faultNone {
		s.space()
		switch {
		case s.i >= len(s.b):
			s.fail(faultEnd)
		case s.b[s.i] == ']':
			return
		case s.b[s.i] == ',':
			s.i++
		case s.atObject():
			var next rpcMessage
			j.one(s, &next)
			j.rpcMessage.add(next)
		default:
			s.value()
		}
	}
}

func (a *rpcMessage) add(b rpcMessage) {
	if !b.version {
		return
	}
	a.version = true
	a.answers = a.answers || b.answers
	a.expected = a.expected || b.expected
	for _, of := range [...]struct {
		have *string
		next string
	}{{&a.method, b.method}, {&a.id, b.id}, {&a.failure, b.failure}} {
		if *of.have == "" {
			*of.have = of.next
		}
	}
}

// one reads the object that s stands on.
func (j *jsonrpc) one(s *scanner, to *rpcMessage) {
	result := false
	for more := s.open(); more; more = s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		switch j.name(name) {
		case "jsonrpc":
			to.version = j.text(s) == "2.0"
		case "method":
			to.method = j.text(s)
		case "id":
			to.id = j.idOf(s)
		case "result":
			result = true
			s.value()
		case "error":
			to.failure = j.errorOf(s)
		default:
			s.value()
		}
	}
	to.answers = to.method == "" && (result || to.failure != "")
	to.expected = to.method != "" && to.id != ""
}

// idOf is a string or a number as it stands.
func (j *jsonrpc) idOf(s *scanner) string {
	k, v, ok := s.value()
	switch {
	case !ok || len(v) > maxField:
		return ""
	case k == kindString:
		return j.str(v)
	case k == kindLiteral && isNumber(v):
		return view(v)
	}
	return ""
}

func isNumber(v []byte) bool { return len(v) > 0 && (v[0] == '-' || '0' <= v[0] && v[0] <= '9') }

// errorOf is the name of an error that the specification has one for, else its code. What its message and data say is the
// application's.
func (j *jsonrpc) errorOf(s *scanner) string {
	if !s.atObject() {
		if k, v, ok := s.value(); !ok || !says(k, v) {
			return ""
		}
		return "error"
	}
	s.open()
	code := ""
	for s.fault == faultNone {
		name, ok := s.key()
		if !ok {
			break
		}
		isCode := j.name(name) == "code"
		k, v, ok := s.value()
		if !isCode || !ok {
			continue
		}
		if code = ""; k == kindLiteral && len(v) <= 24 && isNumber(v) {
			code = view(v)
		}
	}
	return j.errorName(code)
}

// errorName is the specification's word for a code, section 5.1, else "code" and the code.
func (j *jsonrpc) errorName(code string) string {
	switch code {
	case "-32700":
		return "ParseError"
	case "-32600":
		return "InvalidRequest"
	case "-32601":
		return "MethodNotFound"
	case "-32602":
		return "InvalidParams"
	case "-32603":
		return "InternalError"
	case "":
		return "error"
	}
	start := len(j.scratch)
	j.scratch = append(append(j.scratch, "code "...), code...)
	return view(j.scratch[start:])
}

// isRPCMember reports whether a body that begins with this member may be JSON-RPC: writers have them in any order.
func isRPCMember(name []byte) bool {
	switch string(name) {
	case "jsonrpc", "id", "method", "params", "result", "error":
		return true
	}
	return false
}
