package store

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit/zipkin"
	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/span"
)

// startZipkin runs the real server on a port of its own on loopback until the test ends.
func startZipkin(t *testing.T) (url string) {
	jar := os.Getenv("CALLTAP_ZIPKIN_JAR")
	if jar == "" {
		t.Skip("NOT COMPARED WITH THE REAL ZIPKIN: set CALLTAP_ZIPKIN_JAR to zipkin-server-3.5.1-exec.jar (and have java) to do so")
	}
	free, err := ports.Free(1)
	require.NoError(t, err)
	port := free[0]

	cmd := exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", jar,
		"--armeria.ports[0].ip=127.0.0.1", fmt.Sprintf("--armeria.ports[0].port=%d", port), "--armeria.ports[0].protocols[0]=http")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			t.Log("zipkin: " + lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/health")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	}, 2*time.Minute, 50*time.Millisecond)
	return url + "/api/v2"
}

// TestAnswersAreZipkins gives the same spans to the real server and to the store, asks both the same
// questions, and wants the same answers.
func TestAnswersAreZipkins(t *testing.T) {
	url := startZipkin(t)
	now := time.Now().UnixMicro()
	spans := randomSpans(rand.New(rand.NewPCG(1, 2)), now)

	e, err := zipkin.New(zipkin.Config{URL: url + "/spans"})
	require.NoError(t, err)
	defer e.Close()
	out := e.Emit(context.Background(), spans)
	require.Equal(t, len(spans), out.Emitted, out.Err)
	s := New(Options{})
	put(t, s, spans...)

	for _, path := range questions(spans, now/1000) {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())

		code, ours := get(t, s, path)
		require.Equal(t, resp.StatusCode, code, path)
		require.Equal(t, normal(t, path, string(body)), normal(t, path, ours), path)
	}
}

// randomSpans makes traces of all shapes: shared ids, lost parents, several roots, circles, 64-bit ids,
// hostile strings.
func randomSpans(r *rand.Rand, now int64) []span.Span {
	services := []string{"api", "Compute", "scheduler", "db", "", "ü\"\n", "broker"}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	endpoint := func() span.Endpoint {
		e := span.Endpoint{Service: services[r.IntN(len(services))]}
		if r.IntN(3) == 0 {
			e.IP = netip.MustParseAddr(pick("10.0.0.1", "::1", "2001:db8::7", "::ffff:10.0.0.2"))
			e.Port = uint16(r.IntN(3))
		}
		return e
	}
	var out []span.Span
	for trace := range 300 {
		id := span.TraceID{High: uint64(r.IntN(2)) * 0xabc, Low: uint64(trace + 1)}
		for n := range 1 + r.IntN(7) {
			s := span.Span{
				TraceID: id, ID: span.ID(n + 1), Kind: span.Kind(r.IntN(5)), Sampled: true,
				Start: now - int64(r.IntN(3_600_000_000)), Duration: int64(r.IntN(5)) * 1000,
				Name: pick("GET /v2.1/servers/{id}", "show", "", "\u2028\\"), Local: endpoint(), Remote: endpoint(),
				Key: pick("", "nova.api.servers.GET"), Error: pick("", "", "", "500", "timeout"),
				Debug: r.IntN(9) == 0,
			}
			if n > 0 && r.IntN(8) > 0 {
				s.Parent = span.ID(1 + r.IntN(n+2)) // may be missing, come later, or be the span itself
			}
			if client := len(out) - 1; n > 0 && out[client].Kind == span.KindClient && r.IntN(2) == 0 {
				s.Kind, s.ID, s.Parent, s.Shared = span.KindServer, out[client].ID, out[client].Parent, r.IntN(3) > 0
			} else if r.IntN(9) == 0 {
				s.Shared = true // with a client that nobody saw
			}
			for range r.IntN(4) {
				s.Tags = append(s.Tags, span.Tag{Key: pick("http.method", "a", "b c", "é"), Value: pick("", "GET", "x y", "\x7f\t")})
				s.Notes = append(s.Notes, span.Note{Time: s.Start + int64(r.IntN(2)), Value: pick("sent", "received", "a b")})
			}
			out = append(out, s)
		}
	}
	return out
}

func questions(spans []span.Span, nowMillis int64) []string {
	all := fmt.Sprintf("endTs=%d&lookback=7200000&limit=1000", nowMillis+1000)
	out := []string{
		"/services", "/dependencies?" + all, "/autocompleteKeys", "/autocompleteValues?key=a", "/nothing",
		"/traces?" + all, "/traces?limit=0", "/traces?maxDuration=1", "/traces?minDuration=2&maxDuration=1",
		"/traces?lookback=0", "/traces?endTs=x", "/trace/xyz", "/trace/0", "/trace/ABC", "/trace/ffff", "/dependencies",
		"/traceMany", "/traceMany?traceIds=1", "/traceMany?traceIds=1,1", "/traceMany?traceIds=1,01,2", "/traceMany?traceIds=1,,2", "/traceMany?traceIds=1,fff1,2",
		"/spans", "/spans?serviceName=", "/remoteServices?serviceName=nobody",
	}
	for _, service := range []string{"api", "compute", "Compute", "db", "nobody", "%C3%BC%22%0A"} {
		out = append(out, "/spans?serviceName="+service, "/remoteServices?serviceName="+service,
			"/traces?"+all+"&serviceName="+service,
			"/traces?"+all+"&serviceName="+service+"&annotationQuery=error",
			"/traces?"+all+"&remoteServiceName="+service,
			"/traces?"+all+"&serviceName="+service+"&spanName=show&minDuration=2000&maxDuration=3000")
	}
	for _, query := range []string{"error", "error%3D500", "sent", "sent+and+received", "http.method%3DGET+and+error", "b+c", "http.method", "http.method%3D"} {
		out = append(out, "/traces?"+all+"&annotationQuery="+query)
	}
	for _, back := range []int{60_000, 600_000, 1_800_000} {
		window := fmt.Sprintf("endTs=%d&lookback=%d&limit=1000", nowMillis-int64(back), back)
		out = append(out, "/traces?"+window, "/dependencies?"+window, "/traces?"+window+"&serviceName=api")
	}
	for i := 0; i < len(spans); i += 20 {
		out = append(out, "/trace/"+spans[i].TraceID.String())
	}
	return out
}

// normal is an answer without what does not matter: the order of keys, of spans in a trace, of traces
// and of links.
func normal(t *testing.T, path, body string) any {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return strings.TrimSpace(body)
	}
	list, ok := v.([]any)
	require.True(t, ok, path)
	for i := range list {
		if trace, ok := list[i].([]any); ok {
			list[i] = sorted(t, trace)
		}
	}
	return sorted(t, list)
}

func sorted(t *testing.T, list []any) any {
	texts := make([]string, len(list))
	for i := range list {
		b, err := json.Marshal(list[i])
		require.NoError(t, err)
		texts[i] = string(b)
	}
	sort.Strings(texts)
	return texts
}
