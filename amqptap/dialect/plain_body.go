package dialect

import "bytes"

// plainBody is what a body without a known protocol may tell: the members "method" of a request, as in
// JSON-RPC (https://www.jsonrpc.org/specification), and "error" of a reply.
type plainBody struct {
	method  string
	answers bool   // has "result" or "jsonrpc": the sender means "error" as JSON-RPC does
	err     string // "" unless "error" says something
	scratch []byte
}

func (b *plainBody) reset() { b.method, b.answers, b.err, b.scratch = "", false, "", b.scratch[:0] }

// failure is the class of the error in a reply.
func (b *plainBody) failure() string {
	if !b.answers {
		return ""
	}
	return b.err
}

// read looks at a body that may be JSON. What it is instead is no fault: a body may be anything.
func (b *plainBody) read(body []byte) {
	b.reset()
	s := scanner{b: body}
	if !s.open() {
		return
	}
	for {
		name, ok := s.key()
		if !ok {
			break
		}
		switch b.str(name) {
		case "method":
			b.readMethod(&s)
		case "error":
			b.readError(&s)
		case "result", "jsonrpc":
			b.answers = true
			s.value()
		default:
			s.value()
		}
		if s.fault != faultNone {
			break
		}
	}
	if s.fault != faultNone { // not JSON after all: do not trust what was found
		b.reset()
	}
}

func (b *plainBody) readMethod(s *scanner) {
	b.method = ""
	if k, v, ok := s.value(); ok && k == kindString && len(v) <= maxField {
		b.method = b.str(v)
	}
}

// readError takes the class of an error, never its message: JSON-RPC's numeric code, or the class that
// Python frameworks tell.
func (b *plainBody) readError(s *scanner) {
	b.err = ""
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		if k, v, ok := s.value(); ok && says(k, v) {
			b.err = "error"
		}
		return
	}
	b.err = "error"
	s.open()
	for {
		name, ok := s.key()
		if !ok {
			return
		}
		k, v, ok := s.value()
		if !ok {
			return
		}
		if len(v) == 0 || len(v) > 64 {
			continue
		}
		switch b.str(name) {
		case "exc_type", "class", "code":
			if k != kindNested && string(v) != "null" {
				b.err = b.str(v)
			}
		}
	}
}

// says reports whether a value of "error" means that there was one.
func says(k kind, v []byte) bool {
	switch k {
	case kindString:
		return len(v) > 0
	case kindLiteral:
		return string(v) != "null" && string(v) != "false"
	}
	return true
}

// str is what the inside of a string means, as view is valid until the next body.
func (b *plainBody) str(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return view(raw)
	}
	start := len(b.scratch)
	b.scratch = appendUnescaped(b.scratch, raw)
	return view(b.scratch[start:])
}
