package twins

import (
	"fmt"
	"slices"
)

// request makes the request's body.
func (g *generator) request() {
	if g.one(2) || g.method == "TRACE" {
		return // net/http sends no body with TRACE
	}
	if g.refused || g.route == "dead" || g.route == "nowhere" || g.route == "files" {
		return // nobody reads it, and how a server then ends a connection is a race
	}
	n := pick(g, 0, 1, 11, 100, 4096, 10_000, 60_000)
	g.body.pieces = []string{filler(`{"reboot":{}}`, n)}
	if g.one(3) {
		g.body.pieces = []string{filler(`{"os-start":null}`, n), filler("second", n/2), "third"}
	}
	g.body.chunked = g.minor == 1 && g.one(2)
	if g.body.chunked && g.one(2) {
		g.body.trailer = [][2]string{{"X-Req-Sum", "42"}, {"X-Req-More", "ü"}}
	}
	g.body.expect = g.minor == 1 && g.route != "retry" && g.one(5)
}

func (g *generator) has(body bool) bool { return (len(g.body.pieces) > 0) == body }

// do adds a step to the script.
func (g *generator) do(s step) { g.script = append(g.script, s) }

// plan makes the script, and what the client does meanwhile.
func (g *generator) plan() {
	if g.one(3) {
		g.do(step{do: "asserts"})
		g.do(step{do: "deadlines"})
	}
	if g.one(20) {
		g.do(step{do: "push"})
	}
	plans := []func(){g.answer, g.answer, g.answer, g.answer, g.echoes, g.files, g.fails, g.breaks, g.streams, g.leaves, g.slow, g.twice, g.upgrade, g.again, g.connect, g.websocket, g.websocket}
	pick(g, plans...)()
	g.spareCaddy()
}

// spareCaddy keeps the shape away from what is a race in plain Caddy 2.11.9, with calltap or without (there is one more, see bodiless):
//
//   - The memory of a request that request_buffers has buffered is used again when its handler ends. That is as soon as there is an answer, even
//     while the transport still reads it: an upstream that answers early has another request's bytes sent.
//   - reverse_proxy counts without a lock how much of a body was read (bodyNopCloserIfNotRead). HTTP/2 reads a body on one goroutine and closes it on
//     another, when the upstream resets the stream, as it does if it answers before the body's end, or leaves the connection. A request of
//     HTTP/3 has a body of unknown length even if there is none.
//
// So on these routes an upstream reads the request to its end before anything else, and none ends a connection that others share.
func (g *generator) spareCaddy() {
	if g.route != "h2up" && g.route != "buffered" && g.route != "again" {
		return
	}
	g.script = slices.DeleteFunc(g.script, func(s step) bool { return g.route == "h2up" && s.name == "Connection" })
	if !slices.ContainsFunc(g.script, func(s step) bool { return s.do == "echo" }) { // which ends with the body by itself
		g.script = slices.Insert(g.script, 0, step{do: "read"})
	}
}

// answer is a response of any status, in any number of pieces.
func (g *generator) answer() {
	g.readsBody()
	g.responseHeader()
	g.informational()
	if g.one(4) {
		g.do(step{do: "set", name: "Trailer", text: "X-Sum"})
	}
	if !g.one(4) {
		g.do(step{do: "status", n: pick(g, 200, 200, 200, 201, 202, 204, 206, 301, 304, 400, 401, 404, 413, 418, 429, 451, 500, 502, 503, 599, 999)})
	}
	if g.one(6) {
		g.do(step{do: "status", n: 500}) // once too many
	}
	for i := range g.IntN(4) {
		g.piece(i, pick(g, 0, 1, 100, 2048, 4096, 40_000))
		if g.one(3) {
			g.do(step{do: "flush"})
		}
	}
	g.trailers()
}

// readsBody has the script read all, some or nothing of the request's body, when there is one. A big body that is not read makes
// a server cut the connection, plain Caddy too, so only small ones are left.
func (g *generator) readsBody() {
	if g.has(false) {
		return
	}
	unread := len(g.body.text()) < 2000 && g.one(4) && (g.route == "do" || !g.body.expect)
	if !unread {
		g.do(step{do: "read"})
	}
}

func (g *generator) piece(i, n int) {
	g.do(step{do: pick(g, "write", "write", "string", "from"), text: fmt.Sprintf("[part %d]", i), n: n})
}

func (g *generator) informational() {
	if g.minor == 0 || !g.one(5) {
		return
	}
	g.do(step{do: "set", name: "Link", text: "</style.css>; rel=preload"})
	for range 1 + g.IntN(2) {
		g.do(step{do: "status", n: pick(g, 103, 103, 102)})
	}
}

func (g *generator) responseHeader() {
	for range g.IntN(4) {
		h := pick(g, [][2]string{
			{"X-A", "1"}, {"X-A", "2"}, {"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"Content-Type", "text/plain"}, {"Content-Type", "application/grpc"},
			{"Cache-Control", "no-store"}, {"Server", "upstream"}, {"Vary", "Accept"}, {"X-Trace-Id", "theirs"}, {"Traceparent", "theirs"},
			{"X-Openstack-Request-Id", "req-99999999-2222-3333-4444-555555555555"}, {"X-Odd", "\xff ü"}, {"Empty", ""}, {"Content-Language", "de"},
			{"Location", "/elsewhere?a=b"}, {"Connection", "close"}, {"X-Long", filler("long", 5000)},
		}...)
		g.do(step{do: "set", name: h[0], text: h[1]})
	}
}

func (g *generator) trailers() {
	if !g.one(4) {
		return
	}
	g.do(step{do: "set", name: "X-Sum", text: "42"})
	g.do(step{do: "set", name: "Trailer:X-More", text: "43"}) // http.TrailerPrefix
	if g.one(2) {
		g.do(step{do: "set", name: "Trailer:Grpc-Status", text: "5"})
	}
}

// echoes sends the request's body back, the first piece before the last has come.
func (g *generator) echoes() {
	if g.has(false) || g.body.expect {
		g.answer()
		return
	}
	g.do(step{do: "duplex"})
	g.do(step{do: "read"})
	g.do(step{do: "set", name: "X-Read", text: "all"})
	g.do(step{do: "write", text: "[echo]", n: 500})
}

// files is a big body, as io.Copy sends it.
func (g *generator) files() {
	g.readsBody()
	n := pick(g, 0, 100, 70_000, 1_000_000)
	if g.one(2) {
		g.do(step{do: "set", name: "Content-Length", text: fmt.Sprint(max(n, len("[file]")))})
	}
	g.do(step{do: "from", text: "[file]", n: n})
}

// fails is a handler that returns an error, before or after it has sent something.
func (g *generator) fails() {
	g.readsBody()
	if g.one(3) {
		g.do(step{do: "write", text: "[partial]", n: 100})
	}
	g.do(pick(g,
		step{do: "error", n: 400}, step{do: "error", n: 404}, step{do: "error", n: 429, text: "wrapped"}, step{do: "error", n: 500},
		step{do: "error", n: 502}, step{do: "error", n: 503, text: "wrapped"}, step{do: "plain error"}))
}

// breaks is a response that is cut off: before it began, or after the client has some of it.
func (g *generator) breaks() {
	g.readsBody()
	end := step{do: pick(g, "abort", "abort", "panic")}
	if g.one(3) {
		g.do(end)
		return
	}
	if g.one(3) {
		g.do(step{do: "set", name: "Content-Length", text: "1000000"})
	}
	g.gated("[before the end]")
	g.do(end)
}

// gated writes, flushes, and waits until the client has it.
func (g *generator) gated(marker string) {
	g.streamable()
	g.do(step{do: pick(g, "write", "string", "from"), text: marker, n: pick(g, 0, 100, 5000)})
	g.do(step{do: "flush"})
	g.do(step{do: "gate", text: marker})
}

// streamable moves the shape to where each flush is passed on.
func (g *generator) streamable() {
	if g.method == "HEAD" {
		g.method = "GET"
	}
	if g.route != "stream" {
		g.route = pick(g, "do", "stream", "do")
	}
}

// streams is an event stream: each event must be there before the next is made.
func (g *generator) streams() {
	g.readsBody()
	g.do(step{do: "set", name: "Content-Type", text: "text/event-stream"})
	if g.one(3) {
		g.do(step{do: "flush"}) // the header alone
	}
	for i := range 1 + g.IntN(3) {
		g.gated(fmt.Sprintf("data: %d\n\n", i))
	}
	g.trailers()
}

// leaves is a client that does not wait for the end. Not through /stream: with flush_interval -1 Caddy does not tell the upstream.
func (g *generator) leaves() {
	g.body = body{}
	g.quirk = pick(g, leavesNow, leavesHalf)
	if g.quirk == leavesHalf {
		g.do(step{do: "set", name: "Content-Type", text: "text/event-stream"}) // which reverse_proxy flushes
		g.gated("[half]")
	}
	g.streamable()
	if g.route == "stream" {
		g.route = "proxy"
	}
	if g.proto == "h3" {
		g.route = "do" // a proxy may hear of it late
	}
	g.do(step{do: "gone"})
}

// slow is a body of which each piece is sent when the one before has been read.
func (g *generator) slow() {
	g.streamable()
	if g.method == "TRACE" {
		g.method = "POST"
	}
	g.body = body{pieces: []string{`{"re`, `boot":`, "{}}", filler("last", 9000)}, chunked: true, slow: true}
	if g.proto == "raw" && g.route == "do" && g.one(4) {
		g.body.chunked, g.quirk = false, sendsHalf
	} else if g.minor == 0 {
		g.body.chunked, g.route = false, "do"
	}
	if g.route == "stream" && g.proto != "raw" {
		g.route = "do"
	}
	g.do(step{do: "read"})
	if g.quirk == politely {
		g.do(step{do: "write", text: "[read all]"})
	}
}

// twice is two requests in one write, on a connection that is kept.
func (g *generator) twice() {
	if g.proto != "raw" || g.minor == 0 || g.body.expect {
		g.answer()
		return
	}
	g.route, g.quirk = "do", pipelines
	if g.has(true) {
		g.do(step{do: "read"})
	}
	g.do(step{do: "write", text: "[one of two]", n: 50})
}

// upgrade is a connection that becomes another protocol.
func (g *generator) upgrade() {
	if g.proto != "raw" {
		g.do(step{do: "hijack"}) // which HTTP/2 and 3 cannot
		g.body, g.route = body{}, "do"
		return
	}
	g.method, g.minor, g.body, g.quirk = "GET", 1, body{}, upgrades
	g.route = pick(g, "do", "proxy", "stream")
	token := pick(g, "twin", "websocket")
	g.header = append(g.header, [2]string{"Connection", "Upgrade"}, [2]string{"Upgrade", token})
	if g.one(3) {
		g.quirk = leavesHalf
		g.do(step{do: "hijack", n: 1, text: switching(token) + "[half]"})
		return
	}
	g.do(step{do: "hijack", n: 1, text: switching(token)})
}

// again is an upstream that turns the first attempts away, by an answer or without one.
func (g *generator) again() {
	if g.one(3) {
		g.route, g.body = "retry", body{}
		g.do(step{do: "break", n: 1})
	} else {
		g.route, g.body.expect = "again", false
		g.do(step{do: "refuse", n: 1 + g.IntN(4), text: pick(g, "", "later", filler("much later", 50_000))})
	}
	g.answer()
}
