package dialect

import (
	"encoding/binary"
	"strings"
)

// What serialized Java begins with, and the tags that are met on the way to a class
// (https://docs.oracle.com/en/java/javase/17/docs/specs/serialization/protocol.html).
const (
	javaMagic = "\xac\xed\x00\x05"

	javaReference = 'q' // to a string that was there before
	javaString    = 't'
	javaObject    = "sr" // an object, and the description of its class
	javaEnd       = "xp" // of the description: no annotations, no superclass
)

// remoteInvocationResult ends the name of the class in which Spring sends the outcome of a call: of
// org.springframework.amqp.support.converter, before version 3 of org.springframework.remoting.support.
const remoteInvocationResult = ".RemoteInvocationResult"

// serializedClass reads the class of a serialized object, "" if body begins none, and of a RemoteInvocationResult with an exception
// that one's class, without its package. It reads names of classes alone, no value of a field, and at most one object into another.
func serializedClass(body []byte) (class, failure string) {
	j := javaReader{b: body}
	if !j.is(javaMagic) {
		return "", ""
	}
	class = j.object()
	if !strings.HasSuffix(class, remoteInvocationResult) || !j.description() {
		return class, ""
	}
	// The fields' values follow, exception before value. Throwables are objects; anything else is no exception.
	if exception := j.object(); exception != "" {
		return class, lastWord(exception)
	}
	return class, ""
}

// javaReader steps over serialized Java. After a fault it is at the end, where every further step is one too.
type javaReader struct{ b []byte }

// object steps into an object, behind its class's name, and returns that.
func (j *javaReader) object() string {
	if !j.is(javaObject) {
		return ""
	}
	return j.utf()
}

// description steps over the rest of a class: serialVersionUID, flags, the fields' types and names, annotations and superclass, of which
// there must be none.
func (j *javaReader) description() bool {
	head := j.take(8 + 1 + 2)
	if head == nil {
		return false
	}
	for fields := binary.BigEndian.Uint16(head[9:]); fields > 0; fields-- {
		kind := j.take(1)
		if kind == nil || j.utf() == "" {
			return false
		}
		if (kind[0] == 'L' || kind[0] == '[') && !j.typeName() {
			return false
		}
	}
	return j.is(javaEnd)
}

// typeName steps over the type of a field: a string, or a reference to one that was there before.
func (j *javaReader) typeName() bool {
	switch tag := j.take(1); {
	case tag == nil:
		return false
	case tag[0] == javaString:
		return j.utf() != ""
	case tag[0] == javaReference:
		return j.take(4) != nil
	}
	return false
}

// utf reads a string with its length, "" if it is longer than any name.
func (j *javaReader) utf() string {
	size := j.take(2)
	if size == nil {
		return ""
	}
	n := int(binary.BigEndian.Uint16(size))
	if n > maxField {
		j.b = nil
		return ""
	}
	return view(j.take(n))
}

// is steps over text if it is what follows.
func (j *javaReader) is(text string) bool {
	if len(j.b) < len(text) || string(j.b[:len(text)]) != text {
		j.b = nil
		return false
	}
	j.b = j.b[len(text):]
	return true
}

// take steps over n bytes, nil if there are not as many.
func (j *javaReader) take(n int) []byte {
	if len(j.b) < n {
		j.b = nil
		return nil
	}
	taken := j.b[:n]
	j.b = j.b[n:]
	return taken
}
