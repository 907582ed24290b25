package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/calltap/calltap/internal/openapi"
	"github.com/calltap/calltap/internal/words"
	"github.com/calltap/calltap/keyrules"
)

// maxFile bounds what `rules` and `routes` read. The largest public OpenAPI documents have 12 MB.
const maxFile = 64 << 20

// parseRules reads `rules FILE`: what stands in the file takes the place of the line. Files are looked for
// where the Caddyfile is.
func (p *ruleParser) parseRules(d *caddyfile.Dispenser) error {
	name, err := words.One(d)
	if err != nil {
		return err
	}
	file := beside(d.File(), name)
	text, err := readFile(file)
	if err != nil {
		return d.Errf("'rules %s': %w", name, err)
	}
	tables := tableReader{dir: filepath.Dir(file)}
	more, err := keyrules.ParseRules(text, name, tables.read)
	if err != nil {
		return d.WrapErr(err)
	}
	tables.setPrefixes(more.Routes)
	p.add(more.Rules, more.Routes)
	if more.MaxKeys > 0 {
		p.to.MaxKeys = more.MaxKeys
	}
	return nil
}

// parseRoutes reads a route table, which tells the actions of an API:
//
//	routes <file> [prefix <path>] [key <template>] [service <name>] [host <host>]
//
// The words may stand in a block, too. The file is a table, METHOD TAB PATH TAB ACTION, or an OpenAPI
// document, of which prefix takes the place of the base path.
func (p *ruleParser) parseRoutes(d *caddyfile.Dispenser) error {
	routes := keyrules.Routes{File: filepath.Base(d.File()), Line: d.Line()}
	if !d.NextArg() {
		return d.Err("'routes' needs a file, such as: routes nova.tsv prefix /v2.1")
	}
	name := d.Val()
	if err := routes.Set(d.RemainingArgs()); err != nil {
		return d.WrapErr(err)
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := routes.Set(append([]string{d.Val()}, d.RemainingArgs()...)); err != nil {
			return d.WrapErr(err)
		}
	}
	tables := tableReader{dir: filepath.Dir(beside(d.File(), name))}
	var err error
	if routes.Table, err = tables.read(filepath.Base(name)); err != nil {
		return d.Errf("'routes %s': %w", name, err)
	}
	all := []keyrules.Routes{routes}
	tables.setPrefixes(all)
	p.add(nil, all)
	return nil
}

// tableReader reads the files of route tables, and remembers what base paths they give themselves.
type tableReader struct {
	dir   string
	bases []string // one a table, in order
}

// read reads a table, of which form the text itself tells.
func (t *tableReader) read(name string) ([]keyrules.Route, error) {
	text, err := readFile(beside(filepath.Join(t.dir, "x"), name))
	if err != nil {
		return nil, err
	}
	if !openapi.Is(text) {
		t.bases = append(t.bases, "")
		return keyrules.ParseRoutes(bytes.NewReader(text), name)
	}
	base, found, err := openapi.Routes(text)
	if err != nil {
		return nil, errorInFile(name, err)
	}
	t.bases = append(t.bases, base)
	routes := make([]keyrules.Route, len(found))
	for i, r := range found {
		routes[i] = keyrules.Route{Method: r.Method, Path: r.Path, Action: r.Action, File: name, Line: r.Line}
	}
	return routes, nil
}

// setPrefixes gives the tables, in the order in which they were read, their own base paths, if the operator
// gave none.
func (t *tableReader) setPrefixes(routes []keyrules.Routes) {
	for i := range min(len(routes), len(t.bases)) {
		if routes[i].Prefix == "" {
			routes[i].Prefix = t.bases[i]
		}
	}
}

func errorInFile(name string, err error) error {
	if e, ok := errors.AsType[*openapi.Error](err); ok && e.Line > 0 {
		return fmt.Errorf("%s:%d: %w", name, e.Line, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// beside is the path of a file that is named in another one.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// readFile reads a file of modest size. Its errors do not repeat the path.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("%d MiB are too much, at most %d", info.Size()>>20, maxFile>>20)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("is no file")
	}
	text, err := os.ReadFile(name)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return text, err
}
