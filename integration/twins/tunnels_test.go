package twins

import "net/http"

// switching is the answer of an upstream that speaks another protocol from here on.
func switching(token string) string {
	return "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: " + token + "|Sec-WebSocket-Accept: x|X-Up: 1||"
}

// connect is a CONNECT: to an authority, or, over HTTP/1, of a path, as net/rpc has it. Caddy makes no tunnel of it by itself; what its
// handlers do is up to them.
func (g *generator) connect() {
	g.method = http.MethodConnect
	g.body.expect = false
	if (g.proto != "raw" && g.proto != "h1") || g.one(2) {
		g.target = pick(g, "localhost:443", "upstream.example:8774", "127.0.0.1:1", "[::1]:443", "upstream")
		if g.proto == "raw" && g.one(5) {
			g.target = pick(g, "user@upstream:1", "upstream:x", "*") // with which others get no answer, or none is sent
		}
		g.route = pick(g, "do", "do", "proxy", "stream", "h2up", "nowhere")
	}
	if g.route != "do" {
		g.body = body{} // HTTP/1 has none with CONNECT, and a server may take what a proxy sends for the next request
	}
	pick(g, g.answer, g.fails, g.echoing, g.dials)()
	if g.target != "" {
		g.add("X-Route", g.route)
	}
}

// echoing is a tunnel that is a stream of HTTP/2 or 3: each piece goes back before the next is sent.
func (g *generator) echoing() {
	if g.proto == "raw" || g.proto == "h1" {
		g.dials()
		return
	}
	g.route = pick(g, "do", "h2up")
	g.body = body{pieces: []string{"one\n", filler("two", 5000), "three\n"}, chunked: true, slow: true}
	g.do(step{do: "set", name: "Content-Type", text: "application/octet-stream"})
	g.do(step{do: "status", n: 200})
	g.do(step{do: "flush"})
	g.do(step{do: "echo"})
}

// dials is a tunnel that is a connection of HTTP/1, taken over by who answers.
func (g *generator) dials() {
	g.body = body{}
	if g.proto == "raw" && g.minor == 1 {
		g.quirk = upgrades
	}
	if g.quirk == upgrades && g.one(2) {
		g.route = "do"
		g.do(step{do: "hijack", n: 1, text: "HTTP/1.1 200 Connection established|X-Up: 1||"})
		return
	}
	g.quirk = politely
	g.do(step{do: "hijack", text: "HTTP/1.1 200 Connection established|Connection: close||the other side"})
}

// websocket is an extended CONNECT over HTTP/2 (RFC 8441) or 3 (RFC 9220), which reverse_proxy makes a GET with Upgrade of.
func (g *generator) websocket() {
	g.proto = pick(g, "h2", "h2", "h3")
	g.method, g.body, g.minor = http.MethodConnect, body{}, 1
	g.tunnel = pick(g, "websocket", "websocket", "websocket", "connect-udp", "twin")
	if g.one(2) {
		g.add("Sec-Websocket-Version", "13")
		g.add("Sec-Websocket-Protocol", "chat")
	}
	if g.tunnel != "websocket" {
		pick(g, g.answer, g.fails, g.echoing)()
		return
	}
	if g.one(4) { // an upstream that refuses
		pick(g, g.answer, g.fails, g.again)()
		g.body = body{}
		return
	}
	g.route = pick(g, "proxy", "proxy", "stream", "retry", "h2up", "dead")
	pick(g, g.talks, g.talks, g.hangsUp, g.isLeft, g.misunderstands)()
}

// talks is a line and its answer, several times, until the client says goodbye.
func (g *generator) talks() {
	g.body = body{pieces: []string{"one\n", filler("two", 7000) + "\n", "bye\n"}, chunked: true, turns: g.one(2)}
	g.do(step{do: "hijack", n: 1, text: switching("websocket")})
}

// hangsUp is an upstream that says something and ends the connection.
func (g *generator) hangsUp() {
	g.do(step{do: "hijack", text: switching("websocket") + filler("[last]", pick(g, 0, 5000, 100_000))})
}

// isLeft is a client that leaves in the middle.
func (g *generator) isLeft() {
	g.proto = "h2" // over HTTP/3 the other side may end it as well
	g.quirk = leavesHalf
	g.body = body{pieces: []string{"one\n"}, chunked: true, turns: true}
	g.do(step{do: "hijack", n: 1, text: switching("websocket") + "[half]"})
}

// misunderstands is an upstream that switches to what nobody asked for.
func (g *generator) misunderstands() {
	g.do(step{do: "hijack", text: switching("twin")})
}
