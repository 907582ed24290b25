package words

import (
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// maxSource is how long a Caddyfile may be that is read again for a column.
const maxSource = 4 << 20

// Place is where a word stands.
type Place struct {
	File string
	Line int
	Word string
}

// Here is a word in the line of the dispenser's current token.
func Here(d *caddyfile.Dispenser, word string) Place { return Place{d.File(), d.Line(), word} }

// Wrap says where err comes from: FILE:LINE:COLUMN, without the column if it cannot be told.
func (p Place) Wrap(err error) error {
	if column := p.column(); column > 0 {
		return fmt.Errorf("%w, at %s:%d:%d", err, p.File, p.Line, column)
	}
	return fmt.Errorf("%w, at %s:%d", err, p.File, p.Line)
}

// At is Wrap for a word in the line of the current token; without a column it names the import chain, too.
func At(d *caddyfile.Dispenser, word string, err error) error {
	if p := Here(d, word); p.column() > 0 {
		return p.Wrap(err)
	}
	return d.WrapErr(err)
}

// column counts bytes from 1. Caddy's tokens carry none, so the file is read again, which is cheap, as
// it is done for the one error that ends the load. 0 is unknown: the text came from elsewhere, or the word
// from a placeholder.
func (p Place) column() int {
	if info, err := os.Stat(p.File); err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
		return 0
	}
	text, err := os.ReadFile(p.File)
	if err != nil || p.Word == "" {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; n == p.Line {
			return find(line, p.Word)
		}
	}
	return 0
}

// find looks for a word that stands alone.
func find(line, word string) int {
	const around = " \t\r\n\";{}"
	for from := 0; ; {
		i := strings.Index(line[from:], word)
		if i < 0 {
			return 0
		}
		i += from
		end := i + len(word)
		if (i == 0 || strings.IndexByte(around, line[i-1]) >= 0) && (end == len(line) || strings.IndexByte(around, line[end]) >= 0) {
			return i + 1
		}
		from = i + 1
	}
}
