package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// The ids are where other handlers, expressions and the access log look for them.
func TestIDsArePlaceholdersAndLogFields(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	logFile := filepath.Join(t.TempDir(), "access.log")
	run(t, site(zipkin, port, "", fmt.Sprintf(`
		log {
			output file %s {
				roll_disabled
			}
			format json
		}
		calltap
		@cel expression {vars.trace_id}.size() == 32 && {vars.span_id} != ""
		@re vars_regexp trace_id ^[0-9a-f]{32}$
		header @cel X-Cel yes
		header @re X-Re yes
		templates
		respond `+"`{{placeholder \"http.vars.trace_id\"}} {http.vars.span_id} {http.vars.trace_id}`", logFile)))
	resp, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/ids", port))
	s := zipkin.wait(t, "/ids", 1)[0]
	require.Equal(t, fmt.Sprintf("%s %s %s", s.TraceID, s.ID, s.TraceID), body)
	require.Equal(t, "yes yes", resp.Header.Get("X-Cel")+" "+resp.Header.Get("X-Re"))
	require.Empty(t, resp.Header.Get("Traceparent"))

	var entry struct{ TraceID, SpanID string }
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(logFile)
		return err == nil && json.Unmarshal(data, &entry) == nil
	}, patience, 10*time.Millisecond)
	require.Equal(t, s.TraceID.String(), entry.TraceID)
	require.Equal(t, s.ID.String(), entry.SpanID)
}

// The name and the tag are of the path that the client asked for, whatever was made of it.
func TestPathIsTheClients(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, `keys {
			rule GET /api/things/{id}
		}`, `
		handle_path /api/* {
			rewrite * /created?secret=1
			calltap
			do
		}`))
	resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/api/things/17?token=hunter2", port))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	s := zipkin.wait(t, "/api/things/17", 1)[0]
	require.Equal(t, "get /api/things/{id}", strings.ToLower(s.Name))
	require.Equal(t, "/api/things/{id}", s.Tags[span.TagHTTPRoute])
	require.Equal(t, "GET", s.Tags[span.TagHTTPMethod])
	require.Equal(t, "caddy", s.LocalEndpoint.ServiceName)
	require.Equal(t, "127.0.0.1", s.RemoteEndpoint.IPv4.String())
	require.NotZero(t, s.RemoteEndpoint.Port)
	for key, value := range s.Tags {
		require.NotContains(t, value, "hunter2", key)
	}
}

// With the server's own trusted_proxies the remote endpoint is the client that the proxy speaks for.
func TestRemoteIsTheClientBehindATrustedProxy(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, strings.Replace(site(zipkin, port, "", "calltap\n do"), "admin off",
		"admin off\n servers {\n trusted_proxies static private_ranges\n }", 1))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port), "X-Forwarded-For", "2001:db8::7")
	s := zipkin.wait(t, "/created", 1)[0]
	require.Equal(t, "2001:db8::7", s.RemoteEndpoint.IPv6.String())
	require.Zero(t, s.RemoteEndpoint.Port)
}

// The same behind a Unix socket, where the peer has no address.
func TestClientBehindAUnixSocketThatTheServerTrusts(t *testing.T) {
	zipkin, port, socket := newCollector(t), freePort(t), filepath.Join(t.TempDir(), "site.sock")
	run(t, strings.Replace(site(zipkin, port, "", fmt.Sprintf("bind unix/%s\n calltap\n do", socket)), "admin off",
		"admin off\n servers {\n trusted_proxies_unix\n }", 1))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/implicit", port), nil)
	require.NoError(t, err)
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	remote := zipkin.wait(t, "/implicit", 1)[0].RemoteEndpoint
	require.NotNil(t, remote)
	require.Equal(t, "203.0.113.9", remote.IPv4.String())
}

// A query as long as the server takes keeps nothing alive, and a path as long is cut.
func TestLongPathsAreCut(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, "", "calltap\n do"))
	path := "/a" + strings.Repeat("ä/", 2000)
	get(t, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	require.Eventually(t, func() bool { return len(zipkin.all()) == 1 }, patience, 10*time.Millisecond)
	tag := zipkin.all()[0].Tags[span.TagHTTPPath]
	require.LessOrEqual(t, len(tag), maxPathTag)
	require.True(t, strings.HasPrefix(path, tag), "cut between characters: %q", tag[len(tag)-4:])
}

// The span of an ignored request is nowhere, and an error route does not make a second one.
func TestErrorRoutesAndIgnoredPaths(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	run(t, site(zipkin, port, `keys {
			ignore GET /healthcheck
		}`, `calltap
		do
		handle_errors {
			calltap
			respond "handled" 418
		}`))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/healthcheck", port))
	resp, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/error-404", port))
	require.Equal(t, "418 handled", fmt.Sprint(resp.StatusCode, " ", body))
	require.Equal(t, "418", zipkin.wait(t, "/error-404", 1)[0].Tags[span.TagHTTPStatus])
	require.Len(t, zipkin.all(), 1)
}
