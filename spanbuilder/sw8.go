package spanbuilder

import (
	"encoding/base64"
	"strings"

	"github.com/calltap/calltap/span"
)

const (
	maxSW8 = 2048 // as long as SkyWalking's agents make it
	uuid64 = 48   // base64 of a UUID with dashes
	hex64  = 44   // and of one without
)

// ParseSW8 reads SkyWalking's header sw8, version 3 of its protocol
// (https://skywalking.apache.org/docs/main/latest/en/api/x-process-propagation-headers-v3/), eight parts:
//
//	<0|1: sampled>-<trace id>-<segment id>-<number of the span in it>-<service>-<instance>-<endpoint>-<address>
//
// All texts are in base64. A trace id is any text: a UUID is taken as it is, with or without dashes, anything else is hashed, so that
// everyone who is called with it agrees on the id. The caller's span has a number and no id; its id is a hash of segment and number, under
// which SkyWalking's own collector does not know it.
func ParseSW8(s string) (Context, Fault) {
	if len(s) > maxSW8 {
		return Context{}, BadLength
	}
	var part [8]string
	for i := range part[:7] {
		var ok bool
		if part[i], s, ok = strings.Cut(s, "-"); !ok {
			return Context{}, BadLength
		}
	}
	part[7] = s
	sampled, trace, segment, number := part[0], part[1], part[2], part[3]
	for _, text := range [...]string{trace, segment, part[4], part[5], part[6], part[7]} {
		if !isBase64(text) {
			return Context{}, BadPattern
		}
	}
	if _, ok := parseDecimal(number); !ok || len(number) > 10 || trace == "" || segment == "" {
		return Context{}, BadPattern
	}
	c := Context{TraceID: sw8Trace(trace)}
	if c.TraceID.IsZero() {
		return Context{}, ZeroID
	}
	var h hasher
	h.text(segment)
	h.text(number)
	c.SpanID = h.sum().id(clientDomain)
	switch sampled {
	case "0":
		c.Decision = Deny
	case "1":
		c.Decision = Accept
	default:
		return Context{}, BadDecision
	}
	return c, NoFault
}

// sw8Trace is the id of a trace by the base64 of its name.
func sw8Trace(name string) span.TraceID {
	if len(name) == uuid64 || len(name) == hex64 {
		var text [uuid64]byte
		var raw [uuid64 / 4 * 3]byte
		n, _ := base64.StdEncoding.Decode(raw[:], text[:copy(text[:], name)])
		if id, ok := parseUUIDBytes(raw[:n]); ok {
			return id
		}
	}
	return rootTrace(name)
}

// parseUUIDBytes reads a UUID in hex of either case, with or without dashes. The zero UUID is one.
func parseUUIDBytes(b []byte) (span.TraceID, bool) {
	var hex [32]byte
	n := 0
	for i, c := range b {
		switch {
		case len(b) == 36 && (i == 8 || i == 13 || i == 18 || i == 23):
			if c != '-' {
				return span.TraceID{}, false
			}
		case n == len(hex):
			return span.TraceID{}, false
		default:
			hex[n] = c
			n++
		}
	}
	if n != len(hex) {
		return span.TraceID{}, false
	}
	high, ok1 := parseHex(string(hex[:16]), true)
	low, ok2 := parseHex(string(hex[16:]), true)
	return span.TraceID{High: high, Low: low}, ok1 && ok2
}

// isBase64 reports whether s is base64 in the standard alphabet, padded; empty is.
func isBase64(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	body := strings.TrimRight(s, "=")
	if len(s)-len(body) > 2 {
		return false
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		if (c|0x20)-'a' > 25 && c-'0' > 9 && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
