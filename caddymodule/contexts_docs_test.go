package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// at is the URL of a path at a port of the loopback.
func at(port int, path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }

// only flushes what waits and returns the one span of the path, recorded or not there at all.
func (c *collector) only(t *testing.T, path string) model.SpanModel {
	t.Helper()
	found := c.recorded(t, path)
	require.Len(t, found, 1, path)
	return found[0]
}

// recorded flushes what waits and returns the spans of the path.
func (c *collector) recorded(t *testing.T, path string) (found []model.SpanModel) {
	t.Helper()
	require.NoError(t, running.newest().state.pipeline.Flush(t.Context()))
	for _, s := range c.all() {
		if s.Tags[span.TagHTTPPath] == path {
			found = append(found, s)
		}
	}
	return found
}

// reloadElsewhere loads the configuration with its sites at other ports, and returns it so: at the old ones Caddy may still take a
// connection with what ran before, or cut it.
func reloadElsewhere(t *testing.T, config string, ports ...*int) (moved string) {
	t.Helper()
	for _, port := range ports {
		old := fmt.Sprintf(":%d", *port)
		require.Contains(t, config, old)
		*port = freePort(t)
		config = strings.Replace(config, old, fmt.Sprintf(":%d", *port), 1)
	}
	load(t, config)
	return config
}

// ok is an upstream that answers 200.
func ok(http.ResponseWriter, *http.Request) {}

func TestTheManualsTraceContexts(t *testing.T) {
	zipkin, upstream := newCollector(t), newListening(t, ok)
	shop, edge := freePort(t), freePort(t)
	run(t, forTest(manualSection(t, "http.md", "Trace contexts")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(),
		":8080", fmt.Sprintf(":%d", shop), ":8081", fmt.Sprintf(":%d", edge), "127.0.0.1:18080", upstream.address()))
	sent := 0
	send := func(port int, header ...string) (model.SpanModel, http.Header) {
		sent++
		path := fmt.Sprintf("/%d", sent)
		resp, _ := get(t, at(port, path), append(header, "Baggage", "user=1")...)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		seen := upstream.last().Header
		require.Equal(t, "user=1", seen.Get("Baggage"), "the programs' own")
		return zipkin.only(t, path), seen
	}
	for form, header := range inForms {
		s, seen := send(shop, header...)
		joined := form == "b3_multi" || form == "uber" || form == "datadog" || form == "w3c"
		require.Equal(t, joined, s.TraceID.String() == inTrace, form)
		require.Equal(t, joined, s.ParentID != nil, form)
		require.Equal(t, fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID), seen.Get("Traceparent"), form)
		require.Equal(t, [2]string{s.TraceID.String(), s.ID.String()}, [2]string{seen.Get("X-B3-Traceid"), seen.Get("X-B3-Spanid")}, form)
		for _, gone := range []string{"B3", "Uber-Trace-Id", "X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Tags"} {
			require.NotContains(t, seen, gone, form)
		}
		require.Equal(t, form == "sw8", seen.Get("Sw8") != "", "neither read nor cleared here")
		require.Equal(t, form == "w3c", seen.Get("Tracestate") != "", "goes with its trace")

		s, seen = send(edge, header...)
		require.NotEqual(t, inTrace, s.TraceID.String(), form)
		require.Nil(t, s.ParentID, form)
		require.Equal(t, fmt.Sprintf("00-%s-%s-01", s.TraceID, s.ID), seen.Get("Traceparent"), form)
		for i := 0; i < len(header); i += 2 {
			if header[i] == "Traceparent" || header[i] == "X-B3-Traceid" || header[i] == "X-B3-Spanid" {
				require.NotContains(t, seen.Get(header[i]), inSpan, form)
				continue
			}
			require.NotContains(t, seen, header[i], "%s goes no further", form)
		}
	}

	const other = "80f198ee56343ba864fe8b2a57d3eff7"
	s, _ := send(shop, append(inForms["w3c"], "X-B3-Traceid", other, "X-B3-Spanid", inSpan)...)
	require.Equal(t, other, s.TraceID.String(), "b3_multi stands before w3c")

	broken := []string{"X-B3-Traceid", "00000000000000000000000000000000", "X-B3-Spanid", inSpan}
	s, _ = send(shop, append(broken, inForms["w3c"]...)...)
	require.Equal(t, inTrace, s.TraceID.String(), "the next form is tried")
	s, _ = send(shop, append(broken, "Traceparent", "x", "Uber-Trace-Id", inForms["uber"][1], "Uber-Trace-Id", inForms["uber"][1])...)
	require.Nil(t, s.ParentID, "none is good")
	require.Equal(t, map[string]map[string]int64{"b3_multi": {"zero_id": 2}, "uber": {"repeated": 1}, "w3c": {"length": 1}},
		running.newest().status().HTTP.HeaderFaults)

	s, seen := send(shop, "X-B3-Traceid", inTrace[16:], "X-B3-Spanid", inSpan)
	require.Equal(t, inTrace[16:], s.TraceID.String(), "an id of 64 bits stays one")
	require.Equal(t, inTrace[16:], seen.Get("X-B3-Traceid"))
	require.Equal(t, fmt.Sprintf("00-%016x%s-%s-01", 0, inTrace[16:], s.ID), seen.Get("Traceparent"))
}

// getFrom is get by a client with another address of the loopback.
func getFrom(t *testing.T, address, url string, header ...string) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, to)
		},
	}}
	req, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// The load balancers of the example are 127.0.0.8 here.
func TestTheManualsTrust(t *testing.T) {
	const balancer, private, client = "127.0.0.8", "127.0.0.1", "198.51.100.7"
	zipkin, upstream := newCollector(t), newListening(t, ok)
	as, nobody := freePort(t), freePort(t)
	run(t, forTest(manualSection(t, "http.md", "Trust")[0], "203.0.113.0/24", balancer+"/32", "\t\tstore\n", "\t\tstore\n\t\tzipkin "+zipkin.sink()+"\n",
		":8080", fmt.Sprintf(":%d", as), ":8081", fmt.Sprintf(":%d", nobody), "127.0.0.1:18080", upstream.address()))
	for i, x := range []struct {
		port     int
		peer     string
		believed bool
		remote   string // the client as Caddy decided it, whatever calltap believes
	}{
		{as, balancer, true, client},
		{as, private, false, private},
		{nobody, balancer, false, client},
		{nobody, private, false, private},
	} {
		path := fmt.Sprintf("/%d", i)
		before := running.newest().status().HTTP.Untrusted
		getFrom(t, x.peer, at(x.port, path), "B3", inTrace+"-"+inSpan+"-d", "X-Forwarded-For", client)
		s := zipkin.only(t, path)
		require.Equal(t, x.believed, s.TraceID.String() == inTrace, path)
		require.Equal(t, x.believed, s.Debug, "nobody else switches debug on")
		require.Equal(t, x.remote, s.RemoteEndpoint.IPv4.String())
		seen := upstream.last().Header
		require.Contains(t, seen.Get("B3"), s.TraceID.String())
		if x.believed {
			require.NotContains(t, s.Tags, "calltap.untrusted_trace_id")
			continue
		}
		require.Nil(t, s.ParentID)
		require.Equal(t, inTrace, s.Tags["calltap.untrusted_trace_id"])
		require.Equal(t, before+1, running.newest().status().HTTP.Untrusted)
		require.NotContains(t, seen.Get("B3"), inTrace)
	}
}
