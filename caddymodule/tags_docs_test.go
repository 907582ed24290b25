package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"
)

// adaptError is what an operator is told about a Caddyfile that cannot be meant.
func adaptError(t *testing.T, caddyfile string) error {
	t.Helper()
	_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return err
}

func TestTheManualsTagsQueryAndTraceID(t *testing.T) {
	zipkin, port := newCollector(t), freePort(t)
	upstream := newListening(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Trace-Id", "theirs")
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	config := forTest(manualSection(t, "http.md", "Tags, query, trace id")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf(":%d", port), "127.0.0.1:18080", upstream.address())
	run(t, config)
	host, err := os.Hostname()
	require.NoError(t, err)

	resp, _ := get(t, at(port, "/items?page=2&sort=price&user=ann&token=hunter2&lang=de"), "X-Plan", "gold")
	s := zipkin.only(t, "/items")
	require.Equal(t, [2]string{host, "gold"}, [2]string{s.Tags["node"], s.Tags["plan"]})
	require.NotContains(t, s.Tags, "upstream", "of 5xx alone")
	require.Equal(t, []string{s.TraceID.String()}, resp.Header["X-Trace-Id"], "in place of one from behind")
	hash := strings.TrimPrefix(strings.Split(s.Tags[tagQuery], "&")[2], "user=")
	require.Regexp(t, "^[0-9a-f]{16}$", hash)
	require.Equal(t, "page=2&sort=price&user="+hash+"&token=REDACTED&lang=REDACTED", s.Tags[tagQuery])

	get(t, at(port, "/broken?user=ann&"+strings.Repeat("a=1&", 40)))
	s = zipkin.only(t, "/broken")
	require.Equal(t, upstream.address(), s.Tags["upstream"])
	require.NotContains(t, s.Tags, "plan", "an empty result gives no tag")
	require.Equal(t, "user="+hash+strings.Repeat("&a=REDACTED", 31), s.Tags[tagQuery], "equal values, and 32 parameters at most")

	reloadElsewhere(t, config, &port)
	get(t, at(port, "/reloaded?user=ann&8f14e45fceea167a5a36dedd4bea2543"), "X-Plan", strings.Repeat("gold", 100))
	s = zipkin.only(t, "/reloaded")
	require.Regexp(t, "^user=[0-9a-f]{16}$", s.Tags[tagQuery], "a name that may be a token is not shown")
	require.NotEqual(t, "user="+hash, s.Tags[tagQuery], "a new key")
	require.Equal(t, strings.Repeat("gold", 64), s.Tags["plan"], "256 bytes")
}

// Credentials and the query as it is do not become tags by mistake.
func TestTheManualsTagsRefuseSecrets(t *testing.T) {
	config := manualSection(t, "http.md", "Tags, query, trace id")[0]
	for _, secret := range []string{"{header.Authorization}", "{cookie.session}", "{header.X-Auth-Token}", "{uri}", "{query.page}"} {
		var c caddy.Config
		err := adaptError(t, strings.Replace(config, "{header.X-Plan}", secret, 1))
		if err == nil {
			require.NoError(t, caddy.StrictUnmarshalJSON(adapt(t, strings.Replace(config, "{header.X-Plan}", secret, 1)), &c))
			err = caddy.Validate(&c)
		}
		require.ErrorContains(t, err, "tag plan: ", secret)
	}
}

// The ids stand where the page says: for other directives, in the access log, and in what goes on.
func TestTheManualsPlacesOfTheIDs(t *testing.T) {
	zipkin, upstream, port := newCollector(t), newListening(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), freePort(t)
	logFile := t.TempDir() + "/access.log"
	run(t, forTest(manualSection(t, "http.md", "Where the ids are")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf(":%d", port), "127.0.0.1:18080", upstream.address(), "\tlog\n", "\tlog {\n output file "+logFile+" {\n roll_disabled\n }\n format json\n}\n"))
	resp, _ := get(t, at(port, "/ids"))
	s := zipkin.only(t, "/ids")
	require.Equal(t, s.TraceID.String(), resp.Header.Get("X-Request-Id"))
	require.Equal(t, s.ID.String(), upstream.last().Header.Get("X-Span-Id"))
	require.Eventually(t, func() bool {
		line, _ := os.ReadFile(logFile)
		return strings.Contains(string(line), fmt.Sprintf(`"traceID":"%s","spanID":"%s"`, s.TraceID, s.ID))
	}, patience, 10*time.Millisecond)
}
