package caddymodule

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that names its request, and sends no trace header, gets one trace of it with one root, however many calltaps stand in a row:
// the next one goes by the trace headers of the one before. So it does for any program between them that passes those on.
func TestARequestIDAloneIsOneTreeThroughCalltapsInARow(t *testing.T) {
	const own, trace, root = "req-463ac35c-9f64-43ad-8848-5a3953bb6124", "463ac35c9f6443ad88485a3953bb6124", "88485a3953bb6124"
	zipkin, inner := newCollector(t), freePort(t)
	upstream := newListening(t, ok)
	port := freePort(t)
	run(t, site(zipkin, port, "link openstack", fmt.Sprintf("calltap {\n service outer\n}\n reverse_proxy 127.0.0.1:%d", inner))+
		fmt.Sprintf("\nhttp://127.0.0.1:%d {\n calltap {\n service inner\n}\n reverse_proxy %s\n}", inner, upstream.address()))
	resp, _ := get(t, at(port, "/a"), requestIDHeader, own)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, own, upstream.last().Header.Get(requestIDHeader))

	parents := map[string]string{}
	for _, s := range zipkin.wait(t, "/a", 2) {
		require.Equal(t, trace, s.TraceID.String())
		parents[s.LocalEndpoint.ServiceName] = ""
		if s.ParentID != nil {
			parents[s.LocalEndpoint.ServiceName] = s.ParentID.String()
		}
		if s.LocalEndpoint.ServiceName == "inner" {
			requireBelow(t, upstream.last(), s)
		} else {
			require.Equal(t, root, s.ID.String())
		}
	}
	require.Equal(t, map[string]string{"outer": "", "inner": root}, parents)
}
