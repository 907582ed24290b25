package dialect

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/calltap/calltap/spanbuilder"
)

// reference decodes an oslo message the slow and obvious way, by encoding/json once for each
// layer. It answers false for what is not valid JSON, or not an oslo message that can be used.
func reference(r *Record) (spanbuilder.Message, bool) {
	var m spanbuilder.Message
	prepare(r, &m)
	inner, ok := members(r.Body)
	if !ok {
		return m, false
	}
	if text, ok := inner["oslo.message"].(string); ok {
		if inner, ok = members([]byte(text)); !ok {
			return m, false
		}
	}
	o := oslo{osloBody: osloBody{ending: inner["ending"] != false}}
	for name, v := range inner {
		f := osloFieldOf([]byte(name))
		o.seen |= 1 << f
		s, isString := v.(string)
		switch {
		case f != osloOther && f <= osloStrings && isString:
			o.text[f] = s
		case f != osloOther && f <= osloVital && v != nil:
			return m, false
		case f == osloTimeout:
			if n, ok := v.(json.Number); ok {
				o.timeout = duration([]byte(n), time.Second)
			}
		case f == osloTraceInfo:
			info, _ := v.(map[string]any)
			o.traceBase, _ = info["base_id"].(string)
		case f == osloFailure && v != nil:
			o.failure = "failure"
			if e, ok := members([]byte(s)); isString && ok {
				if c, ok := e["class"].(string); ok && c != "" {
					o.failure = c
				}
			}
		}
	}
	return m, o.fill(r, &m) == Decoded
}

// members is the object that b is, false if it is none.
func members(b []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v map[string]any
	if !utf8.Valid(b) || d.Decode(&v) != nil || v == nil {
		return nil, false
	}
	return v, len(bytes.TrimSpace(b[d.InputOffset():])) == 0
}
