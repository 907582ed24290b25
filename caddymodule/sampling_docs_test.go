package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// The example of the manual records what the manual says: here its ports and addresses are a test's, and so is its share, which
// is 0 instead of 0.1, so that what is recorded has a reason.
func TestTheManualsExampleOfSampling(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			<-time.After(1600 * time.Millisecond)
		}
		code := http.StatusOK
		fmt.Sscanf(r.URL.RawQuery, "%d", &code)
		w.WriteHeader(code)
	}))
	t.Cleanup(api.Close)
	zipkin, nova, glance := newCollector(t), freePort(t), freePort(t)
	config := manualSection(t, "http.md", "Sampling")[0]
	for _, change := range [][2]string{
		{"{\n\tcalltap {", "{\n\tadmin off\n\tpersist_config off\n\tcalltap {"},
		{"http://127.0.0.1:9411/api/v2/spans", zipkin.sink()},
		{"http://:8774", fmt.Sprintf("http://127.0.0.1:%d", nova)},
		{"http://:9292", fmt.Sprintf("http://127.0.0.1:%d", glance)},
		{"127.0.0.1:18774", strings.TrimPrefix(api.URL, "http://")},
		{"127.0.0.1:19292", strings.TrimPrefix(api.URL, "http://")},
		{"sample 0.1\n", "sample 0\n"},
		{"sample 0.01\n", "sample 1\n"},
		{"keep_slower 2s", "keep_slower 1m"},
		{"keep_slower 500ms", "keep_slower 1500ms"}, // a machine at work may take half a second for anything
	} {
		require.Contains(t, config, change[0])
		config = strings.Replace(config, change[0], change[1], 1)
	}
	run(t, config)
	for _, x := range []struct {
		port         int
		method, path string
		header       []string
		reason       string
	}{
		{nova, "GET", "/a", nil, ""},
		{nova, "GET", "/a", []string{"B3", accepted}, "the caller"},
		{nova, "GET", "/a?500", nil, "keep_errors"},
		{nova, "GET", "/a?429", nil, "keep_status"},
		{nova, "GET", "/a?404", nil, ""},
		{nova, "GET", "/slow", nil, ""},
		{nova, "GET", "/healthcheck", []string{"B3", accepted}, ""},
		{nova, "GET", "/healthcheck?500", nil, ""},
		{nova, "POST", "/servers", []string{"B3", denied}, "always"},
		{nova, "GET", "/servers/detail", nil, "the rule's share"},
		{nova, "POST", "/import/x?413", nil, "always, known late"},
		{nova, "POST", "/import/x?200", nil, ""},
		{glance, "GET", "/a", []string{"B3", accepted}, ""},
		{glance, "GET", "/a?500", nil, ""},
		{glance, "GET", "/slow", nil, "its own keep_slower"},
	} {
		before := len(zipkin.all())
		req, err := http.NewRequest(x.method, fmt.Sprintf("http://127.0.0.1:%d%s", x.port, x.path), nil)
		require.NoError(t, err)
		for i := 0; i < len(x.header); i += 2 {
			req.Header.Set(x.header[i], x.header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NoError(t, running.newest().state.pipeline.Flush(t.Context()))
		want := before
		if x.reason != "" {
			want++
		}
		require.Equal(t, want, len(zipkin.all()), "%s %s: %s", x.method, x.path, x.reason)
	}
}

// samplingExample is the example with its nova at the port, in front of the upstream, and with other words in place of its own.
func samplingExample(t *testing.T, zipkin *collector, port int, upstream string, changes ...string) string {
	t.Helper()
	config := manualSection(t, "http.md", "Sampling")[0]
	for i := 0; i < len(changes); i += 2 {
		require.Contains(t, config, changes[i])
	}
	return forTest(config, append(changes, "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(), ":8774", fmt.Sprintf(":%d", port),
		":9292", fmt.Sprintf(":%d", freePort(t)), "127.0.0.1:18774", upstream, "127.0.0.1:19292", upstream)...)
}

// A tenth of the traces is that tenth which every other calltap with this share records, and the next hop is told which.
func TestTheManualsShareFollowsFromTheTraceID(t *testing.T) {
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	run(t, samplingExample(t, zipkin, port, upstream.address()))
	const n = 500
	for range n {
		get(t, at(port, "/share"))
	}
	recorded := zipkin.recorded(t, "/share")
	require.Greater(t, len(recorded), n/10-35, "5 standard deviations")
	require.Less(t, len(recorded), n/10+35)
	told := 0
	for _, r := range upstream.seen {
		id, ok := span.ParseTraceID(r.Header.Get("traceparent")[3:35])
		require.True(t, ok)
		chosen := sampling.Chosen(id, 0.1)
		require.Equal(t, chosen, strings.HasSuffix(r.Header.Get("traceparent"), "-01"), id)
		require.False(t, chosen && !sampling.Chosen(id, 0.2), "a larger share records all that a smaller one does")
		if chosen {
			told++
		}
	}
	require.Len(t, upstream.seen, n)
	require.Len(t, recorded, told)
}

// The rate bounds what the share lets through, and begins anew with a reload.
func TestTheManualsRate(t *testing.T) {
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	config := samplingExample(t, zipkin, port, upstream.address(), "sample 0.1\n", "sample 1\n", "50/s burst 100", "1/h burst 3")
	run(t, config)
	for _, path := range []string{"/first", "/second"} {
		for range 10 {
			get(t, at(port, path))
		}
		require.Len(t, zipkin.recorded(t, path), 3, path)
		get(t, at(port, path+"/callers"), "B3", accepted)
		require.Len(t, zipkin.recorded(t, path+"/callers"), 1, "a caller's decision goes before it")
		config = reloadElsewhere(t, config, &port)
	}
}
