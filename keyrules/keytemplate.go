package keyrules

import (
	"fmt"
	"strings"
)

// keyTemplate makes a key, segment by segment. The zero value is no template.
type keyTemplate struct {
	segments [][]part
	constant string // all of it, if there is no field in it
}

// parseKey reads a key template and cuts it at the dots of its literals.
func (p *parser) parseKey(text string) (keyTemplate, error) {
	if err := checkKey("key", text); err != nil {
		return keyTemplate{}, err
	}
	parts, err := p.parse(outKey, text)
	if err != nil {
		return keyTemplate{}, err
	}
	segments := make([][]part, 1)
	for _, made := range parts {
		words := []string{""}
		if made.field == fieldLiteral {
			words = strings.Split(made.text, ".")
		}
		for i, word := range words {
			if i > 0 {
				segments = append(segments, nil)
			}
			if made.field != fieldLiteral || word != "" {
				made.text = word
				last := &segments[len(segments)-1]
				*last = append(*last, made)
			}
		}
	}
	return finishKey(text, segments)
}

// manyWords are the names that stand for several segments.
var manyWords = map[field]string{fieldRoute: "{route}", fieldPathTo: "{path[:N]}"}

// finishKey checks that {route} and its like stand alone, and renders a key of literals at once.
func finishKey(text string, segments [][]part) (keyTemplate, error) {
	var w keyWriter
	constant := true
	for _, segment := range segments {
		for _, made := range segment {
			if (made.field == fieldRoute || made.field == fieldPathTo) && len(segment) > 1 {
				return keyTemplate{}, fmt.Errorf("key %q: %s is several segments; put dots around it", text, manyWords[made.field])
			}
			constant = constant && made.field == fieldLiteral
			w.put(made.text)
		}
		w.end()
	}
	t := keyTemplate{segments: segments}
	if constant {
		t.constant = string(w.finish())
	}
	return t, nil
}

// checkKey checks the literal part of a key or of a built-in's prefix.
func checkKey(what, text string) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case depth == 0 && c != '.' && safe[c] != c:
			return fmt.Errorf("%s %q: %q cannot stand in a key; use letters, digits, - and _, with dots between", what, text, c)
		}
	}
	if strings.HasPrefix(text, ".") || strings.HasSuffix(text, ".") || strings.Contains(text, "..") {
		return fmt.Errorf("%s %q: an empty segment; take the extra dot out", what, text)
	}
	return nil
}
