package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// manualCommands returns the arguments of each line of a section that shows the command, without its name.
func manualCommands(t *testing.T, page, title, command string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## "+title+"\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if args, ok := strings.CutPrefix(line, "    "+command+" "); ok {
			all = append(all, shellWords(t, strings.TrimSpace(args)))
		}
	}
	return all
}

// controlled is the example of "Live control" under test.
type controlled struct {
	t            *testing.T
	zipkin       *collector
	upstream     *listening
	nova, glance int
	n            int
}

// send sends a request and says whether it was recorded, counted, and went on with our header.
func (c *controlled) send(port int, method, path string, header ...string) string {
	c.t.Helper()
	c.n++
	path = fmt.Sprintf("%s/%d", path, c.n)
	counted := c.counted()
	req, err := http.NewRequest(method, at(port, path), nil)
	require.NoError(c.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	require.NoError(c.t, resp.Body.Close())
	// The client may have its answer before the span is given away.
	require.Eventually(c.t, func() bool { return running.newest().state.requests.n.Load() == 0 }, patience, time.Millisecond)
	var said []string
	if len(c.zipkin.recorded(c.t, path)) == 1 {
		said = append(said, "recorded")
	}
	if c.counted() > counted {
		said = append(said, "counted")
	}
	if c.upstream.last().Header.Get("Traceparent") != "" {
		said = append(said, "header")
	}
	return strings.Join(said, " ")
}

// counted is how many spans StatsD was given.
func (c *controlled) counted() int64 {
	for _, account := range running.newest().status().Pipeline.Emitters {
		if account.Name == "statsd" {
			return account.Accepted
		}
	}
	c.t.Fatal("no statsd")
	return 0
}

// Each command of the page has the effect that the page says, from the next request on.
func TestTheManualsSwitches(t *testing.T) {
	t.Setenv("TRIGGER_KEY", strings.Repeat("k", 32))
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer statsd.Close()
	c := &controlled{t: t, zipkin: newCollector(t), upstream: newListening(t, ok), nova: freePort(t), glance: freePort(t)}
	admin := freePort(t)
	config := forTest(manualSection(t, "http.md", "Live control")[0], "\t\tstore\n", fmt.Sprintf("\t\tstore\n\t\tzipkin %s\n\t\tstatsd %s\n\t\ttrigger {\n\t\t\tkey {env.TRIGGER_KEY}\n\t\t}\n", c.zipkin.sink(), statsd.LocalAddr()),
		":8774", fmt.Sprintf(":%d", c.nova), ":9292", fmt.Sprintf(":%d", c.glance), "127.0.0.1:18774", c.upstream.address(), "127.0.0.1:19292", c.upstream.address())
	config = strings.Replace(config, "admin off", fmt.Sprintf("admin 127.0.0.1:%d", admin), 1)
	run(t, config)
	commands := manualCommands(t, "http.md", "Live control", "calltap control")
	do := func(word string) {
		require.NotEmpty(t, commands)
		require.Contains(t, strings.Join(commands[0], " "), word)
		controlCommand(t, "", append(commands[0], "--url", fmt.Sprintf("http://127.0.0.1:%d", admin))...)
		commands = commands[1:]
	}
	const let, all, none = "counted header", "recorded counted header", ""
	caller := []string{"B3", accepted}
	force := func() []string { values, _ := triggers(t); return []string{triggerHeader, values[0]} }

	require.Equal(t, let, c.send(c.nova, "POST", "/v2.1/servers"))

	do("only")
	require.Equal(t, all, c.send(c.nova, "POST", "/v2.1/servers"))
	require.Equal(t, let, c.send(c.nova, "GET", "/v2.1/servers", caller...), "whatever callers say")
	require.Equal(t, let, c.send(c.glance, "GET", "/v2/images", caller...), "at all sites")
	require.Equal(t, all, c.send(c.glance, "GET", "/v2/images", force()...), "a forced trace goes before the switches")

	do("--site glance-api")
	require.Equal(t, all, c.send(c.glance, "GET", "/v2/images"))
	require.Equal(t, let, c.send(c.nova, "GET", "/v2.1/servers"))
	reloadElsewhere(t, config, &c.nova, &c.glance)
	require.Equal(t, all, c.send(c.glance, "GET", "/v2/images"), "a reload leaves them alone")

	do("off")
	require.Equal(t, none, c.send(c.nova, "POST", "/v2.1/servers", caller...))
	require.Equal(t, accepted, c.upstream.last().Header.Get("B3"), "as it came")
	require.Equal(t, none, c.send(c.nova, "POST", "/v2.1/servers", force()...))

	do("--key")
	require.Equal(t, let, c.send(c.glance, "GET", "/v2/images"))
	require.Equal(t, let, c.send(c.glance, "GET", "/v2/images", force()...), "forced ones too")
	require.True(t, strings.HasSuffix(c.upstream.last().Header.Get("Traceparent"), "-01"), "the key is not known when it goes on")
	require.Equal(t, all, c.send(c.glance, "GET", "/v2/tasks"))
	require.Len(t, running.newest().status().Control, 4)

	do("on")
	require.Empty(t, commands)
	require.Equal(t, let, c.send(c.nova, "POST", "/v2.1/servers"))
	require.Equal(t, let, c.send(c.glance, "GET", "/v2/tasks"))
	require.Equal(t, all, c.send(c.nova, "GET", "/v2.1/servers", caller...), "the caller decides again")
}

// nova's request to glance has no trace header, but the id that calltap gave to nova.
func TestTheManualsLink(t *testing.T) {
	zipkin, novaPort, glancePort := newCollector(t), freePort(t), freePort(t)
	glance := newListening(t, ok)
	nova := newListening(t, func(_ http.ResponseWriter, r *http.Request) {
		get(t, at(glancePort, "/v2/images"+r.URL.Path), requestIDHeader, r.Header.Get(requestIDHeader))
	})
	config := forTest(manualSection(t, "http.md", "Link")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(), ":8774", fmt.Sprintf(":%d", novaPort),
		":9292", fmt.Sprintf(":%d", glancePort), "127.0.0.1:18774", nova.address(), "127.0.0.1:19292", glance.address())
	run(t, config)
	const own, ownTrace = "req-463ac35c-9f64-43ad-8848-5a3953bb6124", "463ac35c9f6443ad88485a3953bb6124"
	for path, x := range map[string]struct {
		sent string
		kept bool
	}{"/none": {}, "/own": {own, true}, "/invalid": {"req-1", false}} {
		var header []string
		if x.sent != "" {
			header = []string{requestIDHeader, x.sent}
		}
		get(t, at(novaPort, path), header...)
		server, onward := zipkin.only(t, path), zipkin.only(t, "/v2/images"+path)
		id := nova.last().Header.Get(requestIDHeader)
		require.Equal(t, x.kept, id == x.sent, path)
		require.Equal(t, server.TraceID.String(), strings.ReplaceAll(strings.TrimPrefix(id, "req-"), "-", ""), path)
		require.Equal(t, server.TraceID, onward.TraceID, path)
		require.Equal(t, server.ID, *onward.ParentID, path)
		require.Equal(t, "glance-api", onward.LocalEndpoint.ServiceName)
		if x.kept {
			require.Equal(t, ownTrace, server.TraceID.String())
		}
	}
	config = reloadElsewhere(t, strings.Replace(config, "link openstack", "link openstack\n trusted_proxies none", 1), &novaPort, &glancePort)
	get(t, at(novaPort, "/stranger"), requestIDHeader, own)
	require.NotEqual(t, own, nova.last().Header.Get(requestIDHeader))
	require.NotEqual(t, ownTrace, zipkin.only(t, "/stranger").TraceID.String())
	reloadElsewhere(t, strings.Replace(config, "link openstack", "", 1), &novaPort, &glancePort)
	get(t, at(novaPort, "/default"))
	require.NotContains(t, nova.last().Header, requestIDHeader)
}
