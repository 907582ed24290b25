package spanbuilder

import "time"

// PairerOptions are the bounds of a Pairer. Zero values are the defaults.
type PairerOptions struct {
	MaxOpen        int           // calls that may await their reply at once; default 100,000
	DefaultTimeout time.Duration // of calls that tell none; default 60 s
	Linger         time.Duration // how long a timed-out call still awaits its late reply; default 60 s
}

// PairerStats are a Pairer's counts since its start, and what it holds now.
type PairerStats struct {
	Open int64 `json:"open"`
}

// Pairer turns messages, as a source sees them, into spans.
type Pairer struct{}

// NewPairer makes an empty Pairer.
func NewPairer(o PairerOptions) *Pairer { return &Pairer{} }

// Observe takes one message and offers to t.Sink the spans that end with it. It keeps no reference to m.
func (p *Pairer) Observe(t *Tracer, m *Message) {}

// Advance ends the calls whose time is over. now is in Unix microseconds, of the messages' clock.
func (p *Pairer) Advance(t *Tracer, now int64) {}

// Flush ends everything that is open, marked incomplete: at the end of a file, or at stop.
func (p *Pairer) Flush(t *Tracer, now int64) {}

// Stats returns the counts. It alone may be called from another goroutine.
func (p *Pairer) Stats() PairerStats { return PairerStats{} }
