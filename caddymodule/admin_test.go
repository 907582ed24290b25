package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// adminSite is a configuration with its admin endpoint on, at the port.
func adminSite(adminPort, port int, sinks, directives string) string {
	return fmt.Sprintf(`{
		admin 127.0.0.1:%d
		persist_config off
		order do before respond
		calltap {
			%s
		}
	}
	http://127.0.0.1:%d {
		%s
	}`, adminPort, sinks, port, directives)
}

func TestStatusHoldsTheBooksAndNoSecret(t *testing.T) {
	t.Setenv("CALLTAP_TEST_SECRET", "hunter2")
	admin, port := freePort(t), freePort(t)
	sinks := fmt.Sprintf("store\n statsd 127.0.0.1:9\n zipkin http://user:topsecret@127.0.0.1:%d/{env.CALLTAP_TEST_SECRET}?token=alsosecret {\n header Authorization {env.CALLTAP_TEST_SECRET}\n}\n fake\n sample 0.5", freePort(t))
	run(t, adminSite(admin, port, sinks, "calltap\n do"))
	for range 20 {
		get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port), "B3", "broken")
	}
	resp, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/calltap/status", admin))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, secret := range []string{"hunter2", "topsecret", "alsosecret"} {
		require.NotContains(t, body, secret)
	}
	var s status
	require.NoError(t, json.Unmarshal([]byte(body), &s))
	require.Equal(t, s.Pipeline.Accepted, s.Pipeline.Emitted+s.Pipeline.Queued+sum(s.Pipeline.Dropped))
	require.Len(t, s.Pipeline.Emitters, 3)
	require.Equal(t, map[string]map[string]int64{"b3": {"length": 20}}, s.HTTP.HeaderFaults)
	require.Equal(t, "fake", s.Sources[0].Source)
	require.Equal(t, map[string]any{"state": "seeing nothing"}, s.Sources[0].Status)
	require.Equal(t, 0.5, s.Settings.Sample)
	require.Len(t, s.Settings.TrustedProxies, 1)
	require.NotNil(t, s.Store)
}

func TestAdminOnlyReadsAndSaysWhatIsMissing(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	run(t, adminSite(admin, port, "log "+os.DevNull, "calltap\n do"))
	base := fmt.Sprintf("http://127.0.0.1:%d/calltap/", admin)
	for path, want := range map[string]string{
		"api/v2/traces": "add 'store' to the global option calltap",
		"nonsense":      "there is /calltap/status, /calltap/keys, /calltap/control and /calltap/api/v2/",
		"":              "there is /calltap/status, /calltap/keys, /calltap/control and /calltap/api/v2/",
	} {
		resp, body := get(t, base+path)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
		require.Contains(t, body, want, path)
	}
	resp, err := http.Post(base+"status", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)

	load(t, fmt.Sprintf("{\n admin 127.0.0.1:%d\n persist_config off\n}\n", admin))
	resp, body := get(t, base+"status")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Contains(t, body, "no configuration with calltap is running")
}

// Traces survive a change of everything but the store's own settings.
func TestStoreSurvivesReload(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	run(t, adminSite(admin, port, "store", "calltap\n do"))
	resp, _ := get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port))
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	base := fmt.Sprintf("http://127.0.0.1:%d/calltap", admin)
	services := func() string { _, body := get(t, base+"/api/v2/services"); return strings.TrimSpace(body) }
	require.Eventually(t, func() bool { return services() == `["caddy"]` }, patience, 10*time.Millisecond)

	load(t, adminSite(admin, port, "store\n statsd 127.0.0.1:9\n sample 0\n keys {\n rule /x key x\n}", "calltap\n do"))
	require.Equal(t, `["caddy"]`, services())
	load(t, adminSite(admin, port, "store {\n max_spans 50\n}", "calltap\n do"))
	require.Equal(t, `[]`, services())
}

func TestTraceCommandsReadTheAdminEndpoint(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	run(t, adminSite(admin, port, "store", "calltap {\n service shop\n}\n do"))
	_, id := get(t, fmt.Sprintf("http://127.0.0.1:%d/headers", port))
	trace := id[len("traceparent: 00-"):][:32]
	get(t, fmt.Sprintf("http://127.0.0.1:%d/fails", port))
	base := fmt.Sprintf("http://127.0.0.1:%d/calltap", admin)

	for _, url := range []string{base, base + "/", base + "/api/v2", base + "/api/v2/spans"} {
		var out string
		require.Eventually(t, func() bool { out = command(t, nil, "list", "--url", url); return strings.Count(out, "shop") >= 4 }, patience, 10*time.Millisecond)
		require.Contains(t, out, trace)
		require.Contains(t, out, "get /headers (shop)")
	}
	out := command(t, nil, "list", "--url", base, "--error", "--service", "Shop")
	require.NotContains(t, out, trace)
	require.Contains(t, out, "get /fails")
	require.Len(t, strings.Split(strings.TrimSpace(command(t, nil, "list", "--url", base, "--limit", "1")), "\n"), 2)
	out = command(t, nil, "show", "--url", base, strings.ToUpper(trace))
	require.Contains(t, out, "trace "+trace+"  1 span, 1 service, 0 errors")
	require.Contains(t, out, "shop SERVER get /headers")

	before := caddy.DefaultAdminListen
	defer func() { caddy.DefaultAdminListen = before }()
	caddy.DefaultAdminListen = fmt.Sprintf("127.0.0.1:%d", admin)
	require.Equal(t, out, command(t, nil, "show", trace))
	caddy.DefaultAdminListen = fmt.Sprintf(":%d", admin)
	require.Equal(t, out, command(t, nil, "show", trace), "an address without a host is this machine")

	command(t, "404", "show", "--url", base, "abc")
}

func TestTraceCommandsNameTheMistake(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "\x1b[31mnot json")
	}))
	defer silent.Close()
	command(t, "a trace id is 1 to 32 hex digits", "show", "not-hex")
	command(t, "a trace id is 1 to 32 hex digits", "show", strings.Repeat("a", 33))
	command(t, "accepts 1 arg", "show")
	command(t, "want a number above zero", "list", "--limit", "0")
	command(t, "--url: want http://HOST:PORT", "list", "--url", "127.0.0.1:9411")
	command(t, "want an array", "list", "--url", silent.URL)
	command(t, "want an array", "show", "--url", silent.URL, "1")
	command(t, "--url names another place", "list", "--url", fmt.Sprintf("http://127.0.0.1:%d", freePort(t)))
}

func TestAdminOverUnixSocket(t *testing.T) {
	port := freePort(t)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	config := adminSite(0, port, "store", "calltap {\n service shop\n}\n do")
	run(t, strings.Replace(config, "admin 127.0.0.1:0", "admin unix/"+socket, 1))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port))
	before := caddy.DefaultAdminListen
	defer func() { caddy.DefaultAdminListen = before }()
	caddy.DefaultAdminListen = "unix/" + socket
	require.Eventually(t, func() bool { return strings.Contains(command(t, nil, "list"), "get /created") }, patience, 10*time.Millisecond)
}

// command runs `calltap trace ARGS…` and returns what it prints, or expects an error.
func command(t *testing.T, wantErr any, args ...string) string {
	t.Helper()
	cmd := setUpTrace(&cobra.Command{Use: "trace"})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if wantErr != nil {
		require.ErrorContains(t, err, wantErr.(string))
		require.NotContains(t, err.Error(), "\x1b")
		return ""
	}
	require.NoError(t, err)
	return out.String()
}

func TestTheBooksAreAmongCaddysOwnMetricsAndSurviveAReload(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	run(t, adminSite(admin, port, "store", "calltap\n do"))
	request := func() { get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port)) }
	metrics := func(want string) func() bool {
		return func() bool {
			_, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin))
			return strings.Contains(body, want+"\n")
		}
	}
	request()
	request()
	require.Eventually(t, metrics(`calltap_spans_emitted_total{emitter="store"} 2`), 10*time.Second, 20*time.Millisecond)
	load(t, adminSite(admin, port, "store\n sample 0.99999", "calltap\n do"))
	request()
	require.Eventually(t, metrics(`calltap_spans_accepted_total{emitter="store"} 3`), 10*time.Second, 20*time.Millisecond)
}
