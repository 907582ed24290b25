package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// address is the authority of a URL of a test server.
func address(url string) string { return strings.TrimPrefix(url, "http://") }

// statsdLines collects what comes to a StatsD server until all wanted lines have come, without their values.
func statsdLines(t *testing.T, conn net.PacketConn, wanted ...string) (lines map[string]int) {
	t.Helper()
	lines = map[string]int{}
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 65536)
	for {
		missing := 0
		for _, name := range wanted {
			if lines[name] == 0 {
				missing++
			}
		}
		if missing == 0 {
			return lines
		}
		n, _, err := conn.ReadFrom(buf)
		require.NoError(t, err, "%d missing: %v", missing, lines)
		for line := range strings.Lines(string(buf[:n])) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if number, ok := strings.CutSuffix(value, "|c"); ok {
				name += "|c" + number
			}
			lines[name]++
		}
	}
}

func TestTheManualsUpstreamSpans(t *testing.T) {
	zipkin := newCollector(t)
	upstream, seen := newSeen(t)
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer statsd.Close()
	port, dead, blog := freePort(t), freePort(t), freePort(t)
	run(t, forTest(manualSection(t, "http.md", "Upstream spans")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		"127.0.0.1:8125", statsd.LocalAddr().String(), ":8080", fmt.Sprintf("127.0.0.1:%d", port), ":8081", fmt.Sprintf("127.0.0.1:%d", blog),
		"127.0.0.1:18080", fmt.Sprintf("127.0.0.1:%d", dead), "127.0.0.1:18081", address(upstream.URL)))

	resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/shop/home", port))
	require.Equal(t, 200, resp.StatusCode)
	server, tries := zipkin.tree(t, "/shop/home", 2)
	require.Equal(t, "shop.page", server.Tags["calltap.key"])
	require.Equal(t, [2]string{"refused", ""}, [2]string{tries[0].Tags["error"], tries[1].Tags["error"]})
	require.Equal(t, "shop.page.upstream", tries[1].Tags["calltap.key"])
	require.Contains(t, (<-seen).Get("traceparent"), tries[1].ID.String())

	lines := statsdLines(t, statsd, "shop.page", "shop.page.calls|c1", "shop.page.upstream.latency", "shop.page.upstream.connect",
		"shop.page.upstream.calls|c2", "shop.page.upstream.error|c1", "shop.page.upstream.retry|c1", "shop.page.upstream.connect_done|c1")
	require.Equal(t, 1, lines["shop.page"], "the attempts are not in the request's timer")
	require.Equal(t, 2, lines["shop.page.upstream.total"])
	require.Zero(t, lines["shop.page.total"])
	require.Zero(t, lines["shop.page.error|c1"], "a request that was answered after all did not fail")

	get(t, fmt.Sprintf("http://127.0.0.1:%d/", blog))
	_, tries = zipkin.tree(t, "/", 1)
	require.Equal(t, "unix//run/blog.sock", tries[0].Tags[tagUpstream])
	require.NotEmpty(t, tries[0].Tags["error"])
}

func TestTheManualsStreams(t *testing.T) {
	zipkin := newCollector(t)
	events, _ := newEvents(t)
	sockets := newEchoing(t)
	for path, c := range map[string]struct{ upstream, note string }{"/events": {events.URL, noteStreaming}, "/socket": {sockets.URL, noteUpgraded}} {
		port := freePort(t)
		load(t, forTest(manualSection(t, "http.md", "Streams")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
			":8080", fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:18080", address(c.upstream)))
		if path == "/socket" {
			talk(t, port, path, upgradeRequest+"one\nbye\n")
		} else {
			ctx, leave := context.WithCancel(context.Background())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			_, err = io.ReadFull(resp.Body, make([]byte, 9))
			require.NoError(t, err)
			leave()
			resp.Body.Close()
		}
		s := zipkin.wait(t, path, 1)[0]
		require.Equal(t, []string{c.note, noteClosed}, notesOf(s))
		require.Equal(t, path[1:], s.Tags["calltap.key"])
		require.NotContains(t, s.Tags, "error")
	}
	stop(t)
}

func TestTheManualsErrorRoutes(t *testing.T) {
	zipkin := newCollector(t)
	backup, _ := newSeen(t)
	dies := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer dies.Close()
	port := freePort(t)
	run(t, forTest(manualSection(t, "http.md", "Status and error")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf("127.0.0.1:%d", port), "127.0.0.1:18080", address(dies.URL), "127.0.0.1:18081", address(backup.URL)))
	resp, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/a", port))
	require.Equal(t, "200 hello", fmt.Sprint(resp.StatusCode, " ", body))
	server, tries := zipkin.tree(t, "/a", 2)
	require.Equal(t, [4]string{"200", "502", "", "5"}, [4]string{server.Tags[span.TagHTTPStatus], server.Tags[tagHandlerStatus], server.Tags["error"], server.Tags[span.TagHTTPSent]})
	require.Equal(t, [2]string{"no_response", ""}, [2]string{tries[0].Tags["error"], tries[1].Tags["error"]})
}
