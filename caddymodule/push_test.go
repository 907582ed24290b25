package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// pushClient speaks HTTP/2 frame by frame, since no client of the standard library takes what a server pushes.
type pushClient struct {
	t      *testing.T
	framer *http2.Framer
	coder  *hpack.Decoder
}

// dialPush begins a connection without TLS.
func dialPush(t *testing.T, port int, takesPushes bool) *pushClient {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	c := &pushClient{t: t, framer: http2.NewFramer(conn, conn), coder: hpack.NewDecoder(4096, nil)}
	c.framer.ReadMetaHeaders = c.coder
	push := http2.Setting{ID: http2.SettingEnablePush}
	if takesPushes {
		push.Val = 1
	}
	require.NoError(t, c.framer.WriteSettings(push))
	return c
}

// get asks for path, and returns what came of it and of all that was pushed: for each path the header and the body.
func (c *pushClient) get(path, authority string, header ...string) (answers map[string]string) {
	c.t.Helper()
	var block bytes.Buffer
	coder := hpack.NewEncoder(&block)
	for i, fields := 0, append([]string{":method", "GET", ":scheme", "http", ":authority", authority, ":path", path}, header...); i < len(fields); i += 2 {
		require.NoError(c.t, coder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	require.NoError(c.t, c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))

	answers = make(map[string]string)
	paths := map[uint32]string{1: path} // of the streams that are open
	for len(paths) > 0 {
		frame, err := c.framer.ReadFrame()
		require.NoError(c.t, err)
		id, ended := frame.Header().StreamID, frame.Header().Flags.Has(http2.FlagDataEndStream) // the same flag in HEADERS
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				require.NoError(c.t, c.framer.WriteSettingsAck())
			}
		case *http2.PushPromiseFrame:
			require.True(c.t, frame.HeadersEnded())
			fields, err := c.coder.DecodeFull(frame.HeaderBlockFragment())
			require.NoError(c.t, err)
			promised := ""
			for _, f := range fields {
				promised += fmt.Sprintf("%s=%s ", f.Name, f.Value)
				if f.Name == ":path" {
					paths[frame.PromiseID] = f.Value
				}
			}
			answers[paths[frame.PromiseID]] = promised
		case *http2.MetaHeadersFrame:
			for _, f := range frame.Fields {
				if f.Name != "date" {
					answers[paths[id]] += fmt.Sprintf("%s=%s ", f.Name, f.Value)
				}
			}
			if ended {
				delete(paths, id)
			}
		case *http2.DataFrame:
			answers[paths[id]] += string(frame.Data())
			if ended {
				delete(paths, id)
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			c.t.Fatalf("the server gave up: %v", frame)
		}
	}
	return answers
}

// What Caddy pushes over HTTP/2 comes as it does without calltap. Each pushed request is one as any: Caddy makes it anew, without the
// trace headers of the one that it is pushed for, so it has a trace of its own.
func TestPushedRequestsComeAsWithoutUsAndHaveTracesOfTheirOwn(t *testing.T) {
	// Each request dials for itself: if one got the connection of another, Caddy's dialling might still read its variables while push adds to them.
	const pushes = `push * /style.css
	reverse_proxy %s {
		transport http {
			keepalive off
		}
	}`
	zipkin, plain, traced := newCollector(t), freePort(t), freePort(t)
	upstream := newListening(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			w.Header().Set("Link", "</app.js>; rel=preload")
		}
		fmt.Fprint(w, "body of ", r.URL.Path)
	})
	directives := fmt.Sprintf(pushes, upstream.address())
	config := site(zipkin, traced, "", "calltap\n"+directives) + fmt.Sprintf("\nhttp://127.0.0.1:%d {\n %s\n}", plain, directives)
	run(t, strings.Replace(config, "{\n", "{\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n", 1))

	want := dialPush(t, plain, true).get("/page", "127.0.0.1")
	require.Len(t, want, 3)
	require.Contains(t, want["/style.css"], "body of /style.css")
	require.Contains(t, want["/app.js"], "body of /app.js")
	require.Equal(t, want, dialPush(t, traced, true).get("/page", "127.0.0.1", "b3", accepted))

	traces := map[string]bool{}
	for _, path := range []string{"/page", "/style.css", "/app.js"} {
		s := zipkin.wait(t, path, 1)[0]
		require.Equal(t, "200 ", statusAndError(s))
		require.Equal(t, path == "/page", s.TraceID.String() == accepted[:32])
		require.Equal(t, path == "/page", s.ParentID != nil)
		traces[s.TraceID.String()] = true
	}
	require.Len(t, traces, 3)

	want = dialPush(t, plain, false).get("/page", "127.0.0.1")
	require.Len(t, want, 1, "who takes no pushes gets none")
	require.Equal(t, want, dialPush(t, traced, false).get("/page", "127.0.0.1"))
	zipkin.wait(t, "/page", 2)
	require.Len(t, zipkin.all(), 4)
}
