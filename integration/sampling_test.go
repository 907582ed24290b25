package integration

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lateCaddyfile records nothing at the beginning of a request.
var lateCaddyfile = strings.Replace(novaCaddyfile, "link openstack", "link openstack\n\t\tsample 0\n\t\tkeep_status 202\n\t\tkeep_errors", 1)

// A request that is kept for how it ended is as whole at the real Zipkin as one that was recorded from its beginning: with the RPC
// before its answer and the casts behind it, each span once.
func TestATraceThatIsKeptLateIsWhole(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, lateCaddyfile)
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers", "").Status)
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers", `{"server": {}}`).Status)
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers/7", "").Status)

	trace := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 9)
	want := strings.ReplaceAll(wholeTrace, "SITE", service(t))
	require.Equal(t, want, drawing(trace))
	require.Equal(t, want, drawing(awaitTrace(t, c.Store(), service(t), 9)))
	require.Equal(t, "202", find(trace, "SERVER", "/v2.1/servers").Tags["http.status_code"])
	requireTimesNest(t, trace)

	// metrics have what tracers have not, and what they have was counted once
	requireCounter(t, l, "nova.api.servers.index.GET.calls", 1)
	requireCounter(t, l, "nova.api.servers.create.POST.calls", 1)
	requireCounter(t, l, "nova.compute.get_instance.calls", 1)
	requireCounter(t, l, "nova.compute.run_instance.calls", 1)
	traces, err := l.zipkin.Traces(url.Values{"serviceName": {service(t)}, "limit": {"10"}})
	require.NoError(t, err)
	require.Len(t, traces, 1, "only what was kept")
	s, err := c.Status()
	require.NoError(t, err)
	require.NoError(t, s.Emitter("zipkin").Balance())
	require.NoError(t, s.Emitter("statsd").Balance())
	require.EqualValues(t, 9, s.Emitter("zipkin").Accepted)
	require.Greater(t, s.Emitter("statsd").Accepted, int64(9))
}

// The failure of an RPC, which its request only passes on, keeps both.
func TestAFailureIsRecordedWhateverIsSampled(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, lateCaddyfile)
	require.Equal(t, 500, do(t, c, "POST", "/v2.1/servers/7/action", `{"fail": {}}`).Status)
	trace := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 3)
	require.Equal(t, "InstanceBroken", find(trace, "CLIENT", "fail").Tags["error"], drawing(trace))
	require.Equal(t, "500", find(trace, "SERVER", "/action").Tags["error"])
	requireCounter(t, l, "nova.compute.fail.error", 1)
	s, err := c.Status()
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Late.Kept)
}
