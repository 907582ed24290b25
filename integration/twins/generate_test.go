package twins

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes shapes of a seed. Each shape depends on the seed and its own number alone.
type generator struct {
	*rand.Rand
	shape
	refused bool // by the server, before anyone can answer
}

func generate(seed uint64, n int) *shape {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(n)))}
	g.n = n
	g.proto = pick(g, "raw", "raw", "raw", "h1", "h2", "h2", "h2c", "h3", "h3")
	g.minor = 1
	if g.proto == "raw" && g.one(3) {
		g.minor = 0
	}
	g.route = pick(g, routes...)
	g.method = pick(g, methods...)
	g.headers()
	g.request()
	g.plan()
	if g.target == "" {
		g.target = g.path()
	}
	if g.proto == "h2" || g.proto == "h2c" {
		for i := range g.header {
			g.header[i][1] = g.header[i][1][:min(len(g.header[i][1]), longest)]
		}
	}
	s := g.shape
	return &s
}

// longest is a bit less than what Caddy takes as the value of a header over HTTP/2. A longer one ends the connection, a second later.
const longest = 15_000

// one is true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

var routes = []string{"do", "do", "do", "encode", "errors", "proxy", "proxy", "stream", "stream", "h2up", "buffered", "retry", "again", "dead", "files", "rewritten", "nowhere"}

var methods = []string{"GET", "GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "HEAD", "TRACE",
	"PROPFIND", "M-SEARCH", "get", "X", "VERY-LONG-METHOD-OF-NOBODY"}

// path makes a target below the route.
func (g *generator) path() string {
	if g.route == "files" {
		return "/files/" + pick(g, "file.txt", "file.txt", "big.bin", "empty", "none.txt", "", "../file.txt", "sub", "file%2etxt", "FILE.TXT") + g.query()
	}
	if g.shape.gated() || g.quirk != politely || g.body.slow || g.body.turns {
		return "/" + g.route + "/servers/17/action" + g.query() // the script must be reached, as both sides wait for each other
	}
	var b strings.Builder
	b.WriteString("/" + g.route)
	for range 1 + g.IntN(4) {
		b.WriteString("/" + pick(g, "servers", "17", "8f14e45f-ceea-467a-9a36-dedd4bea2543", "a%2Fb", "a%20b", "%C3%BC", "..", ".", "", "a;v=1", "a+b", "a,b",
			"%2e%2e", "action", "~user", "@me", "a:b", "$x", "(x)", "%00", "%F0%9F%98%80", "%ff"))
	}
	if g.one(30) {
		b.WriteString("/" + strings.Repeat("long", 1000))
	}
	if g.proto == "raw" && g.one(25) {
		b.WriteString(pick(g, "%zz", "%", "\xff", "#x", "\\"))
	}
	return b.String() + g.query()
}

func (g *generator) query() string {
	if !g.one(2) {
		return ""
	}
	return pick(g, "?", "?a=1", "?a=1&a=2", "?token=hunter2", "?a=%26%3D", "?a;b", "?%zz=1", "??", "?a=b=c", "?="+strings.Repeat("q", g.IntN(3000)), "?redirect=http://x/y?z")
}

// headers makes those of the request: a few from everything that clients send, and trace headers of any kind.
func (g *generator) headers() {
	for range g.IntN(6) {
		name, values := "", []string(nil)
		switch g.IntN(3) {
		case 0:
			h := pick(g, plainHeaders...)
			name, values = h[0], h[1:]
		default:
			h := pick(g, traceHeaders...)
			name, values = h[0], h[1:]
		}
		if g.one(4) {
			name = strings.ToLower(name)
		}
		g.add(name, pick(g, values...))
		if g.one(8) {
			g.add(name, pick(g, values...))
		}
	}
	switch g.IntN(40) {
	case 0:
		g.add("X-Huge", strings.Repeat("h", 40_000))
	case 1:
		for i := range 150 {
			g.add(fmt.Sprintf("X-Many-%d", i), "1")
		}
	case 2:
		g.add("X-Odd", "\xff\xfe ü\t")
	case 3:
		if g.proto == "raw" {
			g.refused = true
			g.add(pick(g, "X Odd", "X-Odd\x00", "", "X(Odd)", " X-Folded"), "1")
		}
	case 4:
		g.add("Tracestate", strings.Repeat("a=1,", 4096))
	case 5:
		g.add("B3", strings.Repeat("0", g.IntN(70)))
	}
}

func (g *generator) add(name, value string) { g.header = append(g.header, [2]string{name, value}) }

var plainHeaders = [][]string{
	{"Accept-Encoding", "gzip", "gzip, deflate, br", "identity", "*"},
	{"Accept", "*/*", "text/html, */*;q=0.1", ""},
	{"Range", "bytes=0-3", "bytes=5-25,100-110", "bytes=-5", "bytes=99999999-", "lines=1-2"},
	{"If-None-Match", `"x"`, "*"},
	{"If-Modified-Since", "Mon, 02 Jan 2045 15:04:05 GMT", "yesterday"},
	{"Cookie", "session=hunter2", "a=1; b=2"},
	{"Authorization", "Bearer hunter2", "Basic aHVudGVyMjp4"},
	{"X-Forwarded-For", "192.0.2.1", "192.0.2.1, 10.0.0.1", "unknown"},
	{"X-Forwarded-Proto", "https", "gopher"},
	{"Forwarded", "for=192.0.2.1"},
	{"User-Agent", "twin", ""},
	{"Te", "trailers"},
	{"Content-Type", "application/json", "text/plain; charset=utf-8", "application/grpc"},
	{"Cache-Control", "no-cache"},
	{"Via", "1.1 elsewhere"},
	{"X-Request-Id", "17"},
	{"Origin", "null"},
	{"Empty", ""},
}

// traceHeaders are those of all tracers that calltap knows, well-formed and not.
var traceHeaders = [][]string{
	{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "", "x"},
	{"Tracestate", "a=1", "a=1,b=2", "", "="},
	{"B3", "0", "1", "d", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "64fe8b2a57d3eff7-e457b5a2e4d86bd1", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90",
		"80f198ee56343ba864fe8b2a57d3eff7e457b5a2e4d86bd1", "-", "----", "\xff"},
	{"X-B3-Traceid", "80f198ee56343ba864fe8b2a57d3eff7", "64fe8b2a57d3eff7", "0", "xyz"},
	{"X-B3-Spanid", "e457b5a2e4d86bd1", "0"},
	{"X-B3-Parentspanid", "05e3ac9a4f6e3b90"},
	{"X-B3-Sampled", "1", "0", "true", "maybe"},
	{"X-B3-Flags", "1", "7"},
	{"Baggage", "user=ann", "a=1;p=2, b=3"},
	{"X-Openstack-Request-Id", "req-11111111-2222-3333-4444-555555555555", "req-x", ""},
	{"X-Compute-Request-Id", "req-11111111-2222-3333-4444-555555555555"},
	{"Uber-Trace-Id", "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1", "x:y:z"},
	{"Sw8", "1-YQ==-Yg==-3-Yw==-ZA==-ZQ==-Zg=="},
	{"X-Datadog-Trace-Id", "12345", "-1"},
	{"X-Datadog-Parent-Id", "67890"},
	{"X-Trace-Info", "eyJiYXNlX2lkIjogIjExMTExMTExLTIyMjItMzMzMy00NDQ0LTU1NTU1NTU1NTU1NSJ9", "x"},
	{"X-Trace-Hmac", "3ce8715d353f58e1c48fc8bd4ce1fa56e0e945df", "x"},
	{"X-Calltap-Trigger", "v1;exp=1;id=1;mac=1", ""},
	{"X-Cloud-Trace-Context", "105445aa7843bc8bf206b12000100000/1;o=1"},
	{"X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678"},
}
