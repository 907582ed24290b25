package twins

import (
	"fmt"
	"strings"
)

// shape is one way in which a request can go, from the first byte that the client sends to the last that it gets.
type shape struct {
	n      int
	proto  string // raw, h1, h2, h2c, h3
	route  string // the first segment of the path, see sites
	method string
	target string
	header [][2]string
	body   body
	script []step
	quirk  quirk
	minor  int // of a raw request: HTTP/1.minor
}

// body is what the client sends after the header.
type body struct {
	pieces  []string
	chunked bool
	trailer [][2]string
	expect  bool // waits for 100 Continue
	slow    bool // sends a piece when the one before was read
}

func (b *body) text() string { return strings.Join(b.pieces, "") }

// quirk is how a client misbehaves.
type quirk string

// The quirks.
const (
	politely   quirk = ""
	leavesNow  quirk = "leaves before the response"
	leavesHalf quirk = "leaves in the middle of the response"
	sendsHalf  quirk = "leaves in the middle of its body"
	pipelines  quirk = "sends two requests at once"
	upgrades   quirk = "upgrades"
)

// gated reports whether the client is known to have got the response's header before anything that ends it.
func (s *shape) gated() bool {
	for _, step := range s.script {
		if step.do == "gate" {
			return true
		}
	}
	return false
}

// direct reports whether the script runs in Caddy, with no upstream behind.
func (s *shape) direct() bool {
	return s.route == "do" || s.route == "encode" || s.route == "errors"
}

// String is what a failure shows of a shape.
func (s *shape) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "shape %d: %s.%d %s /%s %.80q\n", s.n, s.proto, s.minor, s.method, s.route, s.target)
	for _, h := range s.header {
		fmt.Fprintf(&b, "  %s: %.80q\n", h[0], h[1])
	}
	fmt.Fprintf(&b, "  body: %d pieces, %d bytes, chunked %v, expect %v, slow %v, trailer %v\n",
		len(s.body.pieces), len(s.body.text()), s.body.chunked, s.body.expect, s.body.slow, s.body.trailer)
	for _, step := range s.script {
		fmt.Fprintf(&b, "  · %.100s\n", step)
	}
	if s.quirk != politely {
		fmt.Fprintf(&b, "  client %s\n", s.quirk)
	}
	return b.String()
}
