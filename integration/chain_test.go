package integration

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// chainCaddyfile is one link of a chain of calltaps.
const chainCaddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		store
		link openstack
	}
}
http://:{$HTTP_PORT} {
	calltap {
		service {$SERVICE}
	}
	reverse_proxy {$NEXT}
}
`

// A client names its request and sends no trace header, and two processes of calltap get it, each with the client's name of it. The one
// behind the other goes by what that one wrote, as long as all between them passes a trace header on; else nothing tells it that there is
// one before it, and both are the root.
func TestARequestThatItsClientNamedThroughTwoCalltaps(t *testing.T) {
	const own, trace, root = "req-463ac35c-9f64-43ad-8848-5a3953bb6124", "463ac35c9f6443ad88485a3953bb6124", "88485a3953bb6124"
	for name, c := range map[string]struct {
		lost   []string // headers that the program between the two does not pass on
		parent string   // of the inner span
	}{
		"all headers pass": {nil, root},
		"b3 alone passes":  {[]string{"Traceparent"}, root},
		"the name passes":  {[]string{"Traceparent", "B3"}, ""},
		"the name is lost": {[]string{"X-Openstack-Request-Id"}, root},
	} {
		t.Run(name, func(t *testing.T) {
			api := httptest.NewServer(http.NotFoundHandler())
			defer api.Close()
			inner := start(t, chainCaddyfile, harness.Options{"NEXT": address(t, api.URL), "SERVICE": "inner"})
			next, err := url.Parse(inner.URL())
			require.NoError(t, err)
			between := httptest.NewServer(&httputil.ReverseProxy{
				Transport: noReuse.Transport,
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(next)
					for _, header := range c.lost {
						r.Out.Header.Del(header)
					}
				},
			})
			defer between.Close()
			outer := start(t, chainCaddyfile, harness.Options{"NEXT": address(t, between.URL), "SERVICE": "outer"})

			require.Equal(t, http.StatusNotFound, do(t, outer, "GET", "/v2/images", "", "X-OpenStack-Request-ID", own).Status)
			first, second := onlySpan(t, outer, trace), onlySpan(t, inner, trace)
			require.Equal(t, "outer inner", first.Local.ServiceName+" "+second.Local.ServiceName)
			require.Equal(t, [2]string{root, ""}, [2]string{first.ID, first.ParentID})
			require.Equal(t, c.parent, second.ParentID)
			require.Equal(t, c.parent == "", second.ID == root)
		})
	}
}

func address(t *testing.T, base string) string {
	t.Helper()
	host, ok := strings.CutPrefix(base, "http://")
	require.True(t, ok)
	return host
}

// onlySpan waits for a trace of one span in calltap's store.
func onlySpan(t *testing.T, c *harness.Calltap, trace string) (s harness.Span) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		spans, err := c.Store().Trace(trace)
		if err == nil && len(spans) != 1 {
			err = fmt.Errorf("%d spans of %s, want one", len(spans), trace)
		}
		if err == nil {
			s = spans[0]
		}
		return err
	})
	return s
}
