package amqptap

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/calltap/calltap/amqptap/dialect"
)

// maxLine bounds one line of a capture: a body of 16 MiB, RabbitMQ's largest, fits in base64 twice.
const maxLine = 64 << 20

var (
	errLineTooLong = fmt.Errorf("line is longer than %d MiB", maxLine>>20)
	errNoEvent     = errors.New("not a firehose message: want routing_key publish.EXCHANGE or deliver.QUEUE, and headers with properties")
	errNoTime      = errors.New("ts is missing or not a time: want Unix seconds")
)

// captureReader reads a recorded firehose, one message a line:
//
//	{"ts": 1795192746.2378607, "routing_key": "publish.nova", "headers": {…}, "body_b64": "…"}
//
// ts is when the message was received, in Unix seconds. routing_key, headers and the body, in base64,
// are those of the message of amq.rabbitmq.trace; values of headers are as JSON has them. A message that came
// by a mirror has "mirror": true, and is told as if it were a publication on the firehose.
type captureReader struct {
	in   *bufio.Reader
	line []byte
	n    int // of the line that was read last, from 1
}

func newCaptureReader(in io.Reader) *captureReader {
	return &captureReader{in: bufio.NewReaderSize(in, 1<<16)}
}

// next reads the next line that is not empty into r. io.EOF is the end; an error in err means that
// the file cannot be read on, one in bad that this line is wrong and the next may be good.
func (c *captureReader) next(r *dialect.Record) (bad, err error) {
	for {
		tooLong, err := c.readLine()
		if err != nil {
			return nil, err
		}
		if tooLong {
			return errLineTooLong, nil
		}
		if line := bytes.TrimSpace(c.line); len(line) > 0 {
			return parseCapture(line, r), nil
		}
	}
}

// readLine reads a line of any length and keeps it unless it is too long.
func (c *captureReader) readLine() (tooLong bool, err error) {
	c.line = c.line[:0]
	c.n++
	for {
		part, err := c.in.ReadSlice('\n')
		if len(c.line)+len(part) > maxLine {
			tooLong = true
		} else {
			c.line = append(c.line, part...)
		}
		switch {
		case err == nil:
			return tooLong, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(c.line) > 0 || tooLong): // a last line without an end
			return tooLong, nil
		default:
			return false, err
		}
	}
}

// captureLine is one line as it stands.
type captureLine struct {
	TS         float64        `json:"ts"`
	RoutingKey string         `json:"routing_key"`
	Headers    map[string]any `json:"headers"`
	Body       []byte         `json:"body_b64"`
	Mirror     bool           `json:"mirror,omitempty"`
}

// record makes a Record of a line, but for its time. False means that it is no message of the firehose.
func (l *captureLine) record(r *dialect.Record) bool {
	ok := fromFirehose(l.RoutingKey, l.Headers, l.Body, r)
	r.Mirror = l.Mirror
	return ok
}

// decodeLine's errors quote nothing of the line, which may hold secrets.
func decodeLine(line []byte) (l captureLine, err error) {
	if err = json.Unmarshal(line, &l); err != nil {
		err = describeJSON(err)
	}
	return l, err
}

// parseCapture makes a Record of one line.
func parseCapture(line []byte, r *dialect.Record) error {
	l, err := decodeLine(line)
	if err != nil {
		return err
	}
	t, ok := micros(l.TS)
	if !ok {
		return errNoTime
	}
	if !l.record(r) {
		return errNoEvent
	}
	r.Time = t
	return nil
}

// micros turns seconds into microseconds, rounded once: whole seconds and fraction apart are
// exact in a float64, their product with a million is not.
func micros(seconds float64) (int64, bool) {
	if !(seconds > 0) || seconds >= 1<<33 { // the year 2242
		return 0, false
	}
	whole, fraction := math.Modf(seconds)
	t := int64(whole)*1_000_000 + int64(math.Round(fraction*1_000_000))
	return t, t > 0
}

// describeJSON says what is wrong with a line of JSON and where, without quoting it.
func describeJSON(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON, at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is of the wrong type", kind.Field)
	}
	return errors.New("body_b64 is not base64")
}
