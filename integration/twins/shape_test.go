package twins

import (
	"fmt"
	"net/http"
	"slices"
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
	tunnel string // the protocol of an extended CONNECT
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
	turns   bool // sends a piece when the one before was answered
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

// kind is what it is counted as.
func (s *shape) kind() string {
	switch {
	case s.tunnel != "":
		return s.proto + " tunnel"
	case s.method == http.MethodConnect:
		return s.proto + " CONNECT"
	}
	return s.proto
}

// gated reports whether the client is known to have got the response's header before anything that ends it.
func (s *shape) gated() bool {
	for _, step := range s.script {
		if step.do == "gate" || step.do == "hijack" && strings.Contains(step.text, "[half]") {
			return true
		}
	}
	return false
}

// authority reports whether the target is that of a CONNECT, a host and a port.
func (s *shape) authority() bool {
	return s.method == http.MethodConnect && !strings.HasPrefix(s.target, "/")
}

// switches reports whether the client asks for another protocol on its connection.
func (s *shape) switches() bool {
	return slices.ContainsFunc(s.header, func(h [2]string) bool { return h[0] == "Upgrade" })
}

// repeats reports whether a proxy may try more than one upstream: its script tells it to, or answers with the status that is tried again. There a
// transport repeats nothing by itself.
func (s *shape) repeats() bool { return s.route == "retry" || s.route == "again" }

// direct reports whether the script runs in Caddy, with no upstream behind.
func (s *shape) direct() bool {
	return s.route == "do" || s.route == "encode" || s.route == "errors"
}

// String is what a failure shows of a shape.
func (s *shape) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "shape %d: %s.%d %s %s /%s %.80q\n", s.n, s.proto, s.minor, s.method, s.tunnel, s.route, s.target)
	for _, h := range s.header {
		fmt.Fprintf(&b, "  %s: %.80q\n", h[0], h[1])
	}
	fmt.Fprintf(&b, "  body: %d pieces, %d bytes, chunked %v, expect %v, slow %v, turns %v, trailer %v\n",
		len(s.body.pieces), len(s.body.text()), s.body.chunked, s.body.expect, s.body.slow, s.body.turns, s.body.trailer)
	for _, step := range s.script {
		fmt.Fprintf(&b, "  · %.100s\n", step)
	}
	if s.quirk != politely {
		fmt.Fprintf(&b, "  client %s\n", s.quirk)
	}
	return b.String()
}
