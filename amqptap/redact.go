package amqptap

import (
	"slices"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// redactor blanks all of a message that makes no difference to tracing. It asks the dialects themselves what makes a
// difference: a string or number may stay only if without it the message would be read as another one.
// So a capture gives the same spans before and after, a new dialect needs no list of its fields here, and
// what is in no span is in no redacted capture: arguments, results, tokens, exception texts, tracebacks.
//
// Blanked parts keep their length and type. What the broker says of a message (exchange, queue, routing key,
// connection, vhost) is not blanked, nor are names of headers, nor members' names that have letters only.
type redactor struct {
	whole, trial *dialect.Set // reads the message as it came; as it would be
	blanked      int64        // messages that had to be blanked whole, so that they give no span any more

	// Of the message at hand.
	line    *captureLine // with what is blanked so far
	body    []byte       // as it came
	want    reading
	tries   int
	pending []change
}

// reading is what the dialects made of a message. Its strings live until the Set reads the next one.
type reading struct {
	dialect string
	verdict dialect.Verdict
	message spanbuilder.Message
}

// change is one part of a message that can be blanked, and put back.
type change struct {
	part   blank          // of the body
	leaves map[string]any // or a value of a table
	items  []any          // or of an array,
	name   string         // by name
	index  int            // or index
	value  any            // as it was
}

// words are the words of a part of the body that cannot be blanked whole: JSON in a string that is escaped
// in an unusual way, say. None if it is but one.
func (c change) words(body []byte) (finer []change) {
	if c.leaves != nil || c.items != nil || c.part.number {
		return nil
	}
	words := wordsOf(body[c.part.start:c.part.end])
	if len(words) < 2 {
		return nil
	}
	for _, w := range words {
		finer = append(finer, change{part: blank{start: c.part.start + w.start, end: c.part.start + w.end}})
	}
	return finer
}

// maxTries bounds how often one message is read.
const maxTries = 5000

// recordedBody is the largest body that is looked into when it is recorded or replayed: as large as RabbitMQ takes by default,
// since whoever reads a file has the time.
const recordedBody = 16 << 20

// newRedactor makes a redactor that keeps these arguments of RPC, by dotted paths, beside what all spans need.
func newRedactor(args []string) (*redactor, error) {
	x := new(redactor)
	for _, set := range []**dialect.Set{&x.whole, &x.trial} {
		s, err := dialect.NewSet(dialect.Limits{MaxBody: recordedBody})
		if err != nil {
			return nil, err
		}
		s.ReadArgs(args)
		*set = s
	}
	return x, nil
}

// redact blanks l in place. Tables and body must be l's own, as JSON has them.
func (x *redactor) redact(l *captureLine) {
	x.line, x.body, x.tries = l, slices.Clone(l.Body), 0
	x.collect()
	var came dialect.Record
	event := l.record(&came)
	if event {
		came.Body = x.body // the strings of x.want must stay when l.Body is blanked
		x.want.dialect, x.want.verdict = x.whole.Decode(&came, &x.want.message)
		if x.same() {
			x.settle(x.pending)
		}
	}
	if !event || x.tries > maxTries || !x.same() {
		x.blanked++
		x.apply(x.pending)
	}
}

// collect finds what can be blanked of the message, and blanks what never makes a difference.
func (x *redactor) collect() {
	blankBroker(x.line.Headers)
	x.pending = x.pending[:0]
	if p, ok := table(x.line.Headers["properties"]); ok {
		x.properties(p)
	}
	for _, part := range blanksOf(x.line.Body) {
		x.pending = append(x.pending, change{part: part})
	}
}

// settle blanks as much of parts as it can: all if that makes no difference, else what it can of each half.
func (x *redactor) settle(parts []change) {
	if len(parts) == 0 || x.tries > maxTries {
		return
	}
	x.apply(parts)
	if x.same() {
		return
	}
	x.undo(parts)
	if len(parts) > 1 {
		x.settle(parts[:len(parts)/2])
		x.settle(parts[len(parts)/2:])
		return
	}
	x.settle(parts[0].words(x.body))
}

// same reports whether the message, as it is by now, reads as it came.
func (x *redactor) same() bool {
	x.tries++
	var r dialect.Record
	var m spanbuilder.Message
	x.line.record(&r)
	name, v := x.trial.Decode(&r, &m)
	return name == x.want.dialect && v == x.want.verdict && m == x.want.message
}

func (x *redactor) apply(parts []change) {
	for _, p := range parts {
		switch {
		case p.leaves != nil:
			p.leaves[p.name] = blankValue(p.value)
		case p.items != nil:
			p.items[p.index] = blankValue(p.value)
		default:
			p.part.fill(x.line.Body)
		}
	}
}

func (x *redactor) undo(parts []change) {
	for _, p := range parts {
		switch {
		case p.leaves != nil:
			p.leaves[p.name] = p.value
		case p.items != nil:
			p.items[p.index] = p.value
		default:
			copy(x.line.Body[p.part.start:p.part.end], x.body[p.part.start:p.part.end])
		}
	}
}
