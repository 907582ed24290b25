// Package openapi reads the routes out of an OpenAPI 3 document, JSON or YAML, or one of its
// forerunner Swagger 2: method, path and operationId, which is the API's own word for what a request
// does. Schemas and all else are passed over; the document need not be valid beyond its paths.
//
//	paths:                                    Route{"GET", "/pets/{id}", "showPet", line 4}
//	  /pets/{id}:                        ──►
//	    get: {operationId: showPet}
//
// The format is that of https://spec.openapis.org/oas/v3.1.1.html#paths-object.
package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Route is one operation.
type Route struct {
	Method string // upper case
	Path   string // without the base path; a templated segment is {name}
	Action string // operationId, "" if the document gives none
	Line   int    // of the document
}

// Error is a fault of the document, and where it is. Line 0 is the document as a whole.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong, without where.
func (e *Error) Unwrap() error { return e.Err }

// methods are the fields of a path item that are operations.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}

// Is reports whether the text is meant to be an OpenAPI document: its top level has the member
// `openapi` or `swagger`. It looks at the text only as far as needed to say no to a table of routes.
func Is(text []byte) bool {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, bom))
	if bytes.HasPrefix(text, []byte("{")) {
		return true
	}
	for line := range bytes.Lines(text) {
		for _, member := range [...]string{"openapi", "swagger", "paths"} {
			name, _, colon := bytes.Cut(line, []byte(":"))
			if colon && string(bytes.Trim(name, `"' `)) == member && line[0] != ' ' {
				return true
			}
		}
	}
	return false
}

var bom = []byte("\xef\xbb\xbf")

// Routes returns the operations of a document in its order, and the base path below which they are: the
// path of its first server, or basePath, without a slash at the end. Its errors are of type *Error.
func Routes(text []byte) (base string, routes []Route, err error) {
	root, err := parse(bytes.TrimPrefix(text, bom))
	if err != nil {
		return "", nil, err
	}
	if root.Kind != yaml.MappingNode {
		return "", nil, fault(root, "want an object with openapi and paths")
	}
	if member(root, "openapi") == nil && member(root, "swagger") == nil {
		return "", nil, fault(root, "no OpenAPI document: it has no member openapi")
	}
	paths := member(root, "paths")
	if paths == nil || paths.Kind != yaml.MappingNode {
		return "", nil, fault(root, "the document has no paths")
	}
	r := reader{root: root}
	for i := 0; i+1 < len(paths.Content); i += 2 {
		if err := r.item(paths.Content[i], paths.Content[i+1]); err != nil {
			return "", nil, err
		}
	}
	if len(r.routes) == 0 {
		return "", nil, fault(paths, "the document has paths, but no operation")
	}
	return strings.TrimRight(basePath(root), "/"), r.routes, nil
}

type reader struct {
	root   *yaml.Node
	routes []Route
}

// item reads the operations of one path. Specification extensions, x-…, may stand among paths.
func (r *reader) item(name, item *yaml.Node) error {
	if strings.HasPrefix(name.Value, "x-") {
		return nil
	}
	if !strings.HasPrefix(name.Value, "/") {
		return fault(name, "path %q does not begin with /", name.Value)
	}
	path, err := pattern(name.Value)
	if err != nil {
		return fault(name, "path %q: %v", name.Value, err)
	}
	item, err = r.follow(item)
	if err != nil {
		return fault(name, "path %q: %v", name.Value, err)
	}
	if item.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(item.Content); i += 2 {
		method, operation := item.Content[i], item.Content[i+1]
		if !slices.Contains(methods, method.Value) {
			continue // parameters, servers, summary, …
		}
		route := Route{Method: strings.ToUpper(method.Value), Path: path, Line: method.Line}
		if id := member(operation, "operationId"); id != nil && id.Kind == yaml.ScalarNode {
			route.Action, route.Line = id.Value, id.Line
		}
		r.routes = append(r.routes, route)
	}
	return nil
}

// maxFollow bounds references to references.
const maxFollow = 16

// follow finds what a path item's $ref, or a YAML alias, means.
func (r *reader) follow(n *yaml.Node) (*yaml.Node, error) {
	for range maxFollow {
		n = resolved(n)
		ref := member(n, "$ref")
		if ref == nil {
			return n, nil
		}
		pointer, ok := strings.CutPrefix(ref.Value, "#/")
		if !ok {
			return nil, fmt.Errorf("$ref %q is outside of the document; bundle it into one file first", ref.Value)
		}
		n = r.root
		for _, step := range strings.Split(pointer, "/") {
			step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
			if n = member(n, step); n == nil {
				return nil, fmt.Errorf("$ref %q leads nowhere", ref.Value)
			}
		}
	}
	return nil, errors.New("$ref leads in a circle")
}

// pattern makes a rule's path of an OpenAPI path. A segment with text beside its template, such as
// /{id}.json or /{base}...{head}, is any one segment.
func pattern(path string) (string, error) {
	segments := strings.Split(path, "/")
	seen := make(map[string]bool)
	for i, s := range segments {
		open := strings.IndexByte(s, '{')
		switch {
		case open < 0 && strings.IndexByte(s, '}') < 0:
			if strings.Contains(s, "*") {
				segments[i] = "*"
			}
		case open < 0 || !strings.Contains(s[open:], "}"):
			return "", errors.New("a brace has no partner")
		case open > 0 || strings.IndexByte(s, '}') < len(s)-1:
			segments[i] = "*"
		default:
			name := captureName(s[1 : len(s)-1])
			if name == "" || seen[name] {
				segments[i] = "*"
				continue
			}
			seen[name] = true
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/"), nil
}

// captureName makes a name that a rule's path may hold: letters, digits and _, a letter first. "" is none.
func captureName(name string) string {
	name = strings.TrimLeft(name, "0123456789_-. ")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		case r == '-', r == '.', r == ' ':
			return '_'
		}
		return -1
	}, name)
}

// basePath is where the document says that its paths begin. Variables of a server's URL take their defaults.
func basePath(root *yaml.Node) string {
	if base := member(root, "basePath"); base != nil {
		return base.Value
	}
	servers := member(root, "servers")
	if servers == nil || servers.Kind != yaml.SequenceNode || len(servers.Content) == 0 {
		return ""
	}
	server := resolved(servers.Content[0])
	address := member(server, "url")
	if address == nil {
		return ""
	}
	text := address.Value
	if variables := member(server, "variables"); variables != nil && variables.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(variables.Content); i += 2 {
			if value := member(resolved(variables.Content[i+1]), "default"); value != nil {
				text = strings.ReplaceAll(text, "{"+variables.Content[i].Value+"}", value.Value)
			}
		}
	}
	u, err := url.Parse(text)
	if err != nil || strings.ContainsAny(u.Path, "{}*") || u.Path != "" && u.Path[0] != '/' {
		return ""
	}
	return u.Path
}

// member returns the value of an object's member, nil if there is none.
func member(n *yaml.Node, name string) *yaml.Node {
	if n = resolved(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

func resolved(n *yaml.Node) *yaml.Node {
	for range maxFollow {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return n
}

func fault(n *yaml.Node, format string, args ...any) error {
	return &Error{Line: n.Line, Err: fmt.Errorf(format, args...)}
}
