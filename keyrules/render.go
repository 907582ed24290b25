package keyrules

// work is one Resolve: the call, what is known of its path, and the buffers in which the result is
// written. It lives on the stack, so nothing here goes through interfaces or function values.
type work struct {
	call    *facts
	values  []string
	rule    *rule
	route   *rule // the line of a route table that tells the action, nil without one
	path    path
	shape   shape
	action  string
	service string
	key     keyWriter
	text    [maxText + maxSegment]byte
}

// value returns what a part stands for; foreign text, to be made safe by whoever writes it.
func (w *work) value(p *part) string {
	if p.filter == (filter{}) {
		return w.raw(p)
	}
	return p.apply(w.raw(p))
}

func (w *work) raw(p *part) string {
	c := w.call
	switch p.field {
	case fieldLiteral:
		return p.text
	case fieldCapture, fieldPath:
		return w.path.segment(p.n)
	case fieldMethod:
		return c.method
	case fieldHost:
		return hostname(c.host)
	case fieldStatus:
		return statusText(c.status)
	case fieldStatusClass:
		return statusClass(c.status)
	case fieldJSON:
		return c.bodyKey
	case fieldError:
		return c.err
	case fieldForm:
		return c.form
	case fieldAction:
		return w.action
	case fieldHeader, fieldJSONPath, fieldArg:
		return w.values[p.n]
	case fieldService:
		if w.service != "" {
			return w.service
		}
		return c.service
	default:
		return w.rpcValue(p.field)
	}
}

func (w *work) rpcValue(f field) string {
	c := w.call
	switch f {
	case fieldRPCMethod:
		return c.rpcMethod
	case fieldExchange:
		return c.exchange
	case fieldTopic:
		return c.topic
	case fieldQueue:
		return c.queue
	case fieldRoutingKey:
		return c.routingKey
	case fieldNamespace:
		return c.namespace
	default:
		return ""
	}
}

// appendTemplate renders a template for people: a span or service name.
func (w *work) appendTemplate(dst []byte, t *textTemplate) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch p.field {
		case fieldRoute:
			dst = w.appendRoute(dst)
		case fieldPathTo:
			for i := range min(p.n, w.path.n) {
				dst = appendText(append(dst, '/'), w.path.segment(i))
			}
		default:
			dst = appendText(dst, w.value(p))
		}
	}
	return dst
}

// appendRoute is {route} in a name: the rule's own pattern, or the path with its ids taken out.
func (w *work) appendRoute(dst []byte) []byte {
	if w.rule.pattern.text != "" {
		return appendText(dst, w.rule.pattern.shown)
	}
	return w.path.appendName(dst, &w.shape)
}

// writeSegment renders the template of an action or a note: one safe segment.
func (w *work) writeSegment(k *keyWriter, t *textTemplate) []byte {
	for i := range t.parts {
		k.put(w.value(&t.parts[i]))
	}
	return k.finishSegment()
}

// writeKey renders a key template.
func (w *work) writeKey() []byte {
	k := &w.key
	for _, segment := range w.rule.key.segments {
		if len(segment) == 1 && segment[0].field == fieldRoute {
			k.route(&w.path, &w.shape, w.call.method, w.action)
			continue
		}
		if len(segment) == 1 && segment[0].field == fieldPathTo {
			for i := range min(segment[0].n, w.path.n) {
				k.segment(w.path.segment(i))
			}
			continue
		}
		for i := range segment {
			k.put(w.value(&segment[i]))
		}
		k.end()
	}
	return k.finish()
}

// statusTexts are the decimal forms of all status codes, so that none is made twice.
var statusTexts = func() (t [600]string) {
	for i := range t {
		t[i] = string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
	}
	return t
}()

// statusText is "" for what is no HTTP status.
func statusText(status int) string {
	if status < 100 || status >= len(statusTexts) {
		return ""
	}
	return statusTexts[status]
}

func statusClass(status int) string {
	if status < 100 || status >= len(statusTexts) {
		return ""
	}
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[status/100-1]
}

// owner is what a call without a key template is filed under: its service, else "http", and for RPC
// the first name of where it was sent that is no id (reply queues and the like are).
func (w *work) owner() string {
	c := w.call
	switch {
	case w.service != "":
		return w.service
	case c.kind != RPC:
		return "http"
	}
	for _, s := range [...]string{c.topic, c.exchange, c.queue} {
		if s != "" && !isID(s) {
			return s
		}
	}
	return "rpc"
}

// writeDefaultKey is the key without a template: <service>.<words of the path>.<action>.<METHOD>,
// and <service or topic>.<method> of an RPC.
func (w *work) writeDefaultKey() []byte {
	k := &w.key
	c := w.call
	k.segment(w.owner())
	if c.kind == RPC {
		k.segment(orNone(c.rpcMethod))
		return k.finish()
	}
	k.route(&w.path, &w.shape, c.method, w.action)
	k.segment(w.action)
	k.segment(c.method)
	return k.finish()
}

// appendDefaultName is the span name without a template: GET /v2.1/servers/{id}, and an RPC's method.
func (w *work) appendDefaultName(dst []byte) []byte {
	c := w.call
	if c.kind != RPC {
		dst = append(appendText(dst, c.method), ' ')
		return w.appendRoute(dst)
	}
	if c.rpcMethod == "" {
		return appendText(dst, w.owner())
	}
	return appendText(dst, c.rpcMethod)
}

func orNone(s string) string {
	if s == "" {
		return noneKey
	}
	return s
}
