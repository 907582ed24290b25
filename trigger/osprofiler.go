package trigger

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/calltap/calltap/span"
)

// The lengths of OSProfiler's headers (osprofiler/web.py). X-Trace-Info is the URL-safe base64 of a JSON object with the members
// base_id and parent_id, UUIDs both, and X-Trace-HMAC the hex of HMAC-SHA-1 over that base64 text.
const (
	minInfo = 40
	maxInfo = 512 // real ones have 152 bytes
	sha1Hex = 40
)

func (c *Checker) judgeOSProfiler(info, mac []string) (Trace, Verdict) {
	if len(info) != 1 || len(mac) != 1 || len(mac[0]) != sha1Hex || len(info[0]) < minInfo || len(info[0]) > maxInfo {
		return Trace{}, Malformed
	}
	sum, err := hex.DecodeString(mac[0])
	if err != nil {
		return Trace{}, Malformed
	}
	if !anyFits(c.osprofiler, info[0], sum) {
		return Trace{}, Forged
	}
	t, ok := parseInfo(info[0])
	if !ok {
		return Trace{}, Malformed
	}
	return t, Valid
}

// parseInfo reads the object as OSProfiler does: base_id must be there, parent_id defaults to it, and any other member
// makes it none of its own.
func parseInfo(text string) (t Trace, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return t, false
	}
	var members map[string]any
	if json.Unmarshal(raw, &members) != nil || len(members) > 2 {
		return t, false
	}
	base, _ := members["base_id"].(string)
	parent, has := members["parent_id"].(string)
	if len(members) == 2 && !has {
		return t, false
	}
	if !has {
		parent = base
	}
	trace, ok1 := parseUUID(base)
	under, ok2 := parseUUID(parent)
	if !ok1 || !ok2 {
		return t, false
	}
	t.ID = trace
	if under != trace {
		// OSProfiler's exporters shorten a span's UUID to its low half (osprofiler/drivers/otlp.py).
		t.Parent = span.ID(under.Low)
	}
	return t, true
}

// parseUUID reads a UUID with or without dashes, as Python's uuid.UUID prints and takes it.
func parseUUID(s string) (id span.TraceID, ok bool) {
	if len(s) != 36 && len(s) != 32 {
		return id, false
	}
	var b [16]byte
	digits := strings.ToLower(strings.ReplaceAll(s, "-", ""))
	if len(digits) != 32 {
		return id, false
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return id, false
	}
	id = span.TraceID{High: binary.BigEndian.Uint64(b[:8]), Low: binary.BigEndian.Uint64(b[8:])}
	return id, !id.IsZero()
}
