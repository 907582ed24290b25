package amqptap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// captureWriter writes what captureReader reads. A file appears under its name when it is complete, with no
// rights for others, and is gzip if the name ends in .gz.
type captureWriter struct {
	file  *os.File // nil for standard output
	name  string
	zip   *gzip.Writer // nil if not wanted
	out   *bufio.Writer
	line  bytes.Buffer
	lines int64
	bytes int64 // before gzip
}

// createCapture opens a capture; "-" is stdout.
func createCapture(name string, stdout io.Writer) (*captureWriter, error) {
	w := &captureWriter{name: name}
	to := stdout
	if name != "-" {
		f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
		if err != nil {
			return nil, err
		}
		w.file, to = f, f
	}
	if strings.HasSuffix(name, ".gz") {
		w.zip = gzip.NewWriter(to)
		to = w.zip
	}
	w.out = bufio.NewWriterSize(to, 1<<16)
	return w, nil
}

// write appends a line.
func (w *captureWriter) write(l *captureLine) error {
	w.line.Reset()
	e := json.NewEncoder(&w.line)
	e.SetEscapeHTML(false) // connections have an arrow in their names
	if err := e.Encode(l); err != nil {
		return err
	}
	w.lines++
	w.bytes += int64(w.line.Len())
	_, err := w.out.Write(w.line.Bytes())
	return err
}

// finish completes the file. Without it, discard must be called.
func (w *captureWriter) finish() error {
	err := w.out.Flush()
	if w.zip != nil {
		err = errors.Join(err, w.zip.Close())
	}
	if w.file == nil {
		return err
	}
	err = errors.Join(err, w.file.Sync(), w.file.Close())
	if err == nil {
		err = os.Rename(w.file.Name(), w.name)
	}
	if err != nil {
		os.Remove(w.file.Name())
	}
	return err
}

// discard leaves nothing behind.
func (w *captureWriter) discard() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
	}
}

// captureOf makes a line of a message that came at a time to the queue of s. Nothing in it is shared with d.
func (s *settings) captureOf(d *amqp.Delivery, at time.Time) *captureLine {
	l := &captureLine{TS: float64(at.UnixMicro()) / 1e6, RoutingKey: d.RoutingKey, Body: append([]byte{}, d.Body...)}
	if s.Mode == "mirror" {
		l.Mirror = true
		l.RoutingKey = "publish." + d.Exchange
		l.Headers = s.mirroredHeaders(d)
	} else {
		l.Headers, _ = plainJSON(d.Headers).(map[string]any)
	}
	return l
}

// mirroredHeaders tells of a mirrored message what the firehose would, as far as it is known.
func (s *settings) mirroredHeaders(d *amqp.Delivery) map[string]any {
	p := map[string]any{}
	for name, v := range map[string]string{
		"content_type": d.ContentType, "content_encoding": d.ContentEncoding, "reply_to": d.ReplyTo,
		"correlation_id": d.CorrelationId, "expiration": d.Expiration, "message_id": d.MessageId, "type": d.Type,
	} {
		if v != "" {
			p[name] = v
		}
	}
	if len(d.Headers) > 0 {
		p["headers"] = plainJSON(d.Headers)
	}
	return map[string]any{
		"exchange_name": d.Exchange, "routing_keys": []any{d.RoutingKey}, "vhost": s.URI.Vhost, "properties": p,
	}
}

// plainJSON is a value of an AMQP table as JSON has it. Bytes become a string, since they mostly are one.
func plainJSON(v any) any {
	if t, ok := table(v); ok {
		m := make(map[string]any, len(t))
		for name, item := range t {
			m[name] = plainJSON(item)
		}
		return m
	}
	switch v := v.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = plainJSON(item)
		}
		return items
	case []byte:
		return string(v)
	case string, bool, nil:
		return v
	case time.Time:
		return float64(v.Unix())
	case amqp.Decimal:
		return float64(v.Value) / math.Pow10(int(v.Scale))
	case float32:
		return finite(float64(v))
	case float64:
		return finite(v)
	}
	if n, ok := integer(v); ok {
		return float64(n)
	}
	return nil
}

func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}
