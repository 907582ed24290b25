package log

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

// DroppedWrite is this emitter's reason for lines that could not be written.
const DroppedWrite = "write"

// Config is what the operator writes.
type Config struct {
	// Output is stdout, stderr or the path of a file, which is appended to and made with mode 0600.
	Output string `json:"output"`
}

// Validate says what is wrong. It opens nothing.
func (c Config) Validate() error {
	switch {
	case c.Output == "":
		return errors.New("log: no output: write stdout, stderr or the path of a file")
	case strings.ContainsRune(c.Output, 0):
		return errors.New("log: the path holds a zero byte")
	case strings.HasSuffix(c.Output, "/"):
		return fmt.Errorf("log: %q is a directory", c.Output)
	}
	return nil
}

// chunk is about how much is written at once.
const chunk = 64 << 10

// Emitter is an emit.Emitter that writes lines.
type Emitter struct {
	path string // "": out is not ours to open or close
	file *os.File
	out  io.Writer
	buf  []byte
	torn bool // the last write ended within a line
}

// New makes an emitter of a Config, which it validates, and opens the file.
func New(c Config) (*Emitter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch c.Output {
	case "stdout":
		return &Emitter{out: os.Stdout}, nil
	case "stderr":
		return &Emitter{out: os.Stderr}, nil
	}
	e := &Emitter{path: c.Output}
	if err := e.open(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Emitter) open() error {
	f, err := os.OpenFile(e.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if e.file != nil {
		_ = e.file.Close()
	}
	e.file, e.out, e.torn = f, f, false
	return nil
}

// Name is "log".
func (e *Emitter) Name() string { return "log" }

// Close closes the file.
func (e *Emitter) Close() error {
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}

// Emit writes the batch. A span counts as emitted when the operating system has taken its whole line.
func (e *Emitter) Emit(_ context.Context, batch []span.Span) emit.Outcome {
	if err := e.reopen(); err != nil {
		return emit.Outcome{Dropped: map[string]int{DroppedWrite: len(batch)}, Err: err}
	}
	emitted := 0
	for rest := batch; len(rest) > 0; {
		n := e.encode(rest)
		lines, err := e.write(n)
		emitted += lines
		if err != nil {
			return emit.Outcome{
				Emitted: emitted,
				Dropped: map[string]int{DroppedWrite: len(batch) - emitted},
				Err:     fmt.Errorf("log: %w", err),
			}
		}
		rest = rest[n:]
	}
	return emit.Outcome{Emitted: emitted}
}

// reopen follows the path if it names another file than the one that is open, or none.
func (e *Emitter) reopen() error {
	if e.path == "" {
		return nil
	}
	at, err := os.Stat(e.path)
	if err == nil {
		if open, err := e.file.Stat(); err == nil && os.SameFile(at, open) {
			return nil
		}
	}
	return e.open()
}

// encode fills the buffer with lines and returns how many spans they are.
func (e *Emitter) encode(spans []span.Span) (n int) {
	e.buf = e.buf[:0]
	if e.torn {
		e.buf = append(e.buf, '\n')
	}
	for n < len(spans) && len(e.buf) < chunk {
		e.buf = append(spans[n].AppendJSON(e.buf), '\n')
		n++
	}
	return n
}

// write writes the buffer of n lines and returns how many of them are out whole.
func (e *Emitter) write(n int) (lines int, err error) {
	written, err := e.out.Write(e.buf)
	if err == nil {
		e.torn = false
		return n, nil
	}
	written = max(0, min(written, len(e.buf)-1))
	first := 0
	if e.torn && written > 0 {
		first = 1 // the newline that ends the torn line
	}
	for _, c := range e.buf[first:max(first, written)] {
		if c == '\n' {
			lines++
		}
	}
	if written > first && e.buf[written] == '\n' {
		lines++ // out but for its end, which the next write begins with
	}
	if written > 0 {
		e.torn = e.buf[written-1] != '\n'
	}
	return lines, err
}
