package keyrules

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxLookup is how much of a JSON text is read.
const maxLookup = 64 << 10

// maxDepth is how many objects deep a path may lead.
const maxDepth = 8

// LookupJSON returns the scalar at a dotted path of a JSON text as text: `server.name`, `items.0.id`.
// A key may hold dots itself: the longest key that fits the path is taken (objinst.nova_object.name).
// It is "" for what is not there, for null, objects and arrays, and for a text that is no JSON up to
// the value. The first 64 KiB are read.
func LookupJSON(text []byte, path string) string {
	value := json.RawMessage(text[:min(len(text), maxLookup)])
	for range maxDepth {
		var ok bool
		if value, path, ok = step(value, path); !ok {
			return ""
		}
		if path == "" {
			return scalar(value)
		}
	}
	return ""
}

// step goes one key or index down. The value must be whole, but not what stands behind it.
func step(text json.RawMessage, path string) (value json.RawMessage, rest string, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	open, err := dec.Token()
	if err != nil {
		return nil, "", false
	}
	switch open {
	case json.Delim('{'):
		return member(dec, path)
	case json.Delim('['):
		return element(dec, path)
	}
	return nil, "", false
}

func member(dec *json.Decoder, path string) (value json.RawMessage, rest string, ok bool) {
	best := -1
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			break
		}
		key, _ := token.(string)
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			break
		}
		if r, fits := cutPath(path, key); fits && len(key) > best {
			best, value, rest = len(key), v, r
		}
		if key == path {
			break
		}
	}
	return value, rest, best >= 0
}

func element(dec *json.Decoder, path string) (value json.RawMessage, rest string, ok bool) {
	index, rest, _ := strings.Cut(path, ".")
	n := 0
	for _, c := range index {
		if c < '0' || c > '9' || n > 999 {
			return nil, "", false
		}
		n = n*10 + int(c-'0')
	}
	for ; index != "" && dec.More(); n-- {
		if dec.Decode(&value) != nil {
			break
		}
		if n == 0 {
			return value, rest, true
		}
		value = nil
	}
	return nil, "", false
}

// cutPath takes a key off the front of a path.
func cutPath(path, key string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, key)
	if !ok || rest == "" || key == "" {
		return "", ok && key != ""
	}
	return strings.CutPrefix(rest, ".")
}

func scalar(value json.RawMessage) string {
	switch {
	case len(value) == 0 || value[0] == '{' || value[0] == '[' || value[0] == 'n':
		return ""
	case value[0] != '"':
		return string(value)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}
