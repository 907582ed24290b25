package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds the nesting of a JSON document; real ones are below 50.
const maxDepth = 1000

// parse makes a tree with line numbers of YAML or JSON. JSON has a reader of its own: YAML's is ten
// times slower, and does not take all JSON.
func parse(text []byte) (*yaml.Node, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		p := jsonParser{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
		root, err := p.document()
		if err != nil {
			return nil, &Error{Line: p.lineAt(p.dec.InputOffset()), Err: fmt.Errorf("reading JSON: %w", err)}
		}
		return root, nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, &Error{Line: yamlLine(err), Err: fmt.Errorf("reading YAML: %w", err)}
	}
	if len(document.Content) == 0 {
		return nil, &Error{Err: errors.New("the document is empty")}
	}
	return document.Content[0], nil
}

var yamlLines = regexp.MustCompile(`line (\d+):`)

// yamlLine reads the line out of an error of the library, which tells it in no other way.
func yamlLine(err error) int {
	found := yamlLines.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // too many digits: 0, unknown
	return n
}

// jsonParser builds a tree token by token, since only that tells where a token stands.
type jsonParser struct {
	text    []byte
	dec     *json.Decoder
	line    int   // of the byte at counted
	counted int64 // how far lines are counted
}

// document reads one value, and nothing after it.
func (p *jsonParser) document() (*yaml.Node, error) {
	p.dec.UseNumber()
	root, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	return root, nil
}

func (p *jsonParser) value(depth int) (*yaml.Node, error) {
	token, err := p.dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: p.lineAt(p.dec.InputOffset())}
	switch v := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, errors.New("nested too deep")
		}
		n.Kind = yaml.MappingNode
		if v == '[' {
			n.Kind = yaml.SequenceNode
		}
		for p.dec.More() {
			element, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, element)
		}
		_, err := p.dec.Token() // the bracket that closes
		return n, err
	case string:
		n.Value = v
	case json.Number:
		n.Value = v.String()
	}
	return n, nil
}

// lineAt counts on to the line of an offset. Offsets come in order.
func (p *jsonParser) lineAt(offset int64) int {
	offset = min(offset, int64(len(p.text)))
	if offset > p.counted {
		p.line += bytes.Count(p.text[p.counted:offset], []byte("\n"))
		p.counted = offset
	}
	return p.line
}
