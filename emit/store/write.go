package store

import (
	"bufio"
	"encoding/json"
	"net/http"

	"github.com/calltap/calltap/span"
)

func writeJSON(w http.ResponseWriter, v any) error {
	return write(w, func(buf *bufio.Writer) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = buf.Write(data)
		return err
	})
}

func write(w http.ResponseWriter, body func(*bufio.Writer) error) error {
	w.Header().Set("Content-Type", "application/json")
	buf := bufio.NewWriterSize(w, 32<<10)
	if err := body(buf); err != nil {
		return err
	}
	return buf.Flush()
}

func writeTraces(w http.ResponseWriter, traces [][]span.Span) error {
	return write(w, func(buf *bufio.Writer) error {
		_ = buf.WriteByte('[')
		for i, spans := range traces {
			if i > 0 {
				_ = buf.WriteByte(',')
			}
			if err := writeSpans(buf, spans); err != nil {
				return err
			}
		}
		return buf.WriteByte(']')
	})
}

func writeSpans(buf *bufio.Writer, spans []span.Span) error {
	_ = buf.WriteByte('[')
	var one []byte
	for i := range spans {
		if i > 0 {
			_ = buf.WriteByte(',')
		}
		one = appendSpan(one[:0], &spans[i])
		if _, err := buf.Write(one); err != nil {
			return err
		}
	}
	return buf.WriteByte(']')
}

// appendSpan writes a span with its trace id in Zipkin's form: the first 16 digits left out if they
// are zeros.
func appendSpan(dst []byte, s *span.Span) []byte {
	dst = s.AppendJSON(dst)
	if s.TraceID.High == 0 {
		at := len(`{"traceId":"`)
		dst = append(dst[:at], dst[at+16:]...)
	}
	return dst
}
