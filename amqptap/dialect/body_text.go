package dialect

import "bytes"

// bodyText reads members of bodies that are plain JSON, and keeps what had to be unescaped.
// Its strings point into the body or into its scratch, so they live until the next body.
type bodyText struct{ scratch []byte }

func (b *bodyText) reset() { b.scratch = b.scratch[:0] }

// str is what the inside of a string means: in nearly all cases that inside itself.
func (b *bodyText) str(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return view(raw)
	}
	start := len(b.scratch)
	b.scratch = appendUnescaped(b.scratch, raw)
	return view(b.scratch[start:])
}

// name is a member's name, "" if it is longer than any that a protocol has.
func (b *bodyText) name(raw []byte) string {
	if len(raw) > maxField {
		return ""
	}
	return b.str(raw)
}

// text reads the value that s stands on if it is a string of usable length, else it steps over it.
func (b *bodyText) text(s *scanner) string {
	k, v, ok := s.value()
	if !ok || k != kindString || len(v) > maxField {
		return ""
	}
	return b.str(v)
}

// textIn reads the member of that name out of the object that s stands on. What is no object has none.
func (b *bodyText) textIn(s *scanner, member string) string {
	if !s.atObject() {
		s.value()
		return ""
	}
	s.open()
	found := ""
	for {
		name, ok := s.key()
		if !ok {
			return found
		}
		if b.name(name) == member {
			found = b.text(s)
		} else {
			s.value()
		}
		if s.fault != faultNone {
			return found
		}
	}
}

// firstText reads the array that s stands on and keeps its first element, if that is a string.
func (b *bodyText) firstText(s *scanner) (first string) {
	if !s.openArray() {
		s.value()
		return ""
	}
	for n := 0; s.element(); n++ {
		if n == 0 {
			first = b.text(s)
		} else {
			s.value()
		}
	}
	return first
}

// firstMember is the name of a JSON object's first member as it stands, nil if body begins no such object. It looks at
// a few bytes, so that a dialect tells bodies that cannot be its own before it reads one.
func firstMember(body []byte) []byte {
	i := afterSpace(body, 0)
	if i == len(body) || body[i] != '{' {
		return nil
	}
	i = afterSpace(body, i+1)
	if i == len(body) || body[i] != '"' {
		return nil
	}
	name := body[i+1 : min(len(body), i+2+maxMember)]
	end := bytes.IndexByte(name, '"')
	if end < 0 {
		return nil
	}
	return name[:end]
}

// maxMember is the longest name of a member by which a dialect knows its bodies.
const maxMember = 24

func afterSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// unusable is the verdict on a body that was recognised and in which the scan met a fault.
func unusable(f fault) Verdict {
	if f == faultDeep {
		return TooDeep
	}
	return BadJSON
}

// isJSON reports whether a content type is, or may be, JSON's.
func isJSON(contentType string) bool {
	return contentType == "" || contentType == "application/json"
}
