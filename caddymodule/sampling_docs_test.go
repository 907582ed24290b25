package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exampleOf returns the first Caddyfile of a section of docs/http.md.
func exampleOf(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(page), "\n## "+section+"\n")
	require.True(t, ok)
	_, text, ok = strings.Cut(text, "```caddyfile\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "```\n")
	return text
}

// The example of the manual records what the manual says: here its ports and addresses are a test's, and so is its share, which
// is 0 instead of 0.1, so that what is recorded has a reason.
func TestTheManualsExampleOfSampling(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			<-time.After(600 * time.Millisecond)
		}
		code := http.StatusOK
		fmt.Sscanf(r.URL.RawQuery, "%d", &code)
		w.WriteHeader(code)
	}))
	t.Cleanup(api.Close)
	zipkin, nova, glance := newCollector(t), freePort(t), freePort(t)
	config := exampleOf(t, "Sampling")
	for _, change := range [][2]string{
		{"{\n\tcalltap {", "{\n\tadmin off\n\tpersist_config off\n\tcalltap {"},
		{"http://127.0.0.1:9411/api/v2/spans", zipkin.sink()},
		{"http://:8774", fmt.Sprintf("http://127.0.0.1:%d", nova)},
		{"http://:9292", fmt.Sprintf("http://127.0.0.1:%d", glance)},
		{"127.0.0.1:18774", strings.TrimPrefix(api.URL, "http://")},
		{"127.0.0.1:19292", strings.TrimPrefix(api.URL, "http://")},
		{"sample 0.1\n", "sample 0\n"},
		{"sample 0.01\n", "sample 1\n"},
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
		require.Len(t, zipkin.all(), want, "%s %s: %s", x.method, x.path, x.reason)
	}
}
