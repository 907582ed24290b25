package amqptap

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// defaultReplay is what replay goes by without a configuration.
func defaultReplay() config.Config { return config.Config{Link: "openstack"} }

// printingTracer makes a Tracer of c that prints all spans to out, sampled or not.
func printingTracer(c config.Config, out spanbuilder.Sink) (*spanbuilder.Tracer, error) {
	rules, err := keyrules.Compile(c.Keys)
	if err != nil {
		return nil, err
	}
	t := &spanbuilder.Tracer{Rules: rules, Head: sampling.All, Sink: out, HasSources: true}
	switch c.Link {
	case "":
	case "openstack":
		t.Link = spanbuilder.LinkOpenStack
	default:
		return nil, fmt.Errorf("unknown link %q, known is: openstack", c.Link)
	}
	return t, nil
}

// replay feeds a capture through dialects and pairing by its own clock and prints the spans to out,
// one line of Zipkin v2 JSON each; what is wrong with a line, and a summary, go to errs. name is the
// capture's, for messages. The error is of out, of the capture as a whole, or that none of its lines was good.
func replay(name string, capture io.Reader, c config.Config, out, errs io.Writer) error {
	sink := &spanPrinter{out: bufio.NewWriterSize(out, 1<<16)}
	tracer, err := printingTracer(c, sink)
	if err != nil {
		return err
	}
	st, err := newStream(dialect.Limits{MaxBody: recordedBody}, nil, spanbuilder.PairerOptions{})
	if err != nil {
		return err
	}
	in := newCaptureReader(capture)
	var r dialect.Record
	var m spanbuilder.Message
	var good, bad, last int64
	for sink.err == nil {
		wrong, err := in.next(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if wrong != nil {
			bad++
			fmt.Fprintf(errs, "%s:%d: %v\n", name, in.n, wrong)
			continue
		}
		good++
		last = max(last, r.Time)
		st.observe(tracer, &r, &m)
	}
	st.pairer.Flush(tracer, last)
	if err := sink.flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	fmt.Fprintf(errs, "%s: %d events, %d spans, %d bad lines, %d unreadable bodies, %d unrecognised messages\n",
		name, good, sink.n, bad, st.counters.malformed(), st.counters.unrecognised.Load())
	if good == 0 && bad > 0 {
		return fmt.Errorf("%s has no line that can be replayed", name)
	}
	return nil
}

// spanPrinter is a Sink that prints.
type spanPrinter struct {
	out *bufio.Writer
	buf []byte
	n   int64
	err error // the first
}

// Offer implements spanbuilder.Sink.
func (p *spanPrinter) Offer(s *span.Span) {
	p.n++
	p.buf = append(s.AppendJSON(p.buf[:0]), '\n')
	if _, err := p.out.Write(p.buf); p.err == nil {
		p.err = err
	}
}

func (p *spanPrinter) flush() error {
	if err := p.out.Flush(); p.err == nil {
		p.err = err
	}
	return p.err
}
