package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// wholeTrace is what POST /v2.1/servers causes, of which only the first span is an HTTP request.
const wholeTrace = `SERVER SITE post /v2.1/servers
  CLIENT SITE build_instance
    SERVER conductor build_instance
      CLIENT conductor prepare_instance
        SERVER compute prepare_instance
      PRODUCER conductor run_instance
        CONSUMER compute run_instance
          CLIENT compute instance_update
            SERVER conductor instance_update
`

func TestOneRequestIsOneTraceThroughAllItsCalls(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers?token=query-canary", `{"server": {"password": "body-canary"}}`,
		"X-Auth-Token", "token-canary", // oslo.messaging sends it along in each message
		"Authorization", "Bearer canary").Status)

	trace := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 9)
	want := strings.ReplaceAll(wholeTrace, "SITE", service(t))
	require.Equal(t, want, drawing(trace))
	require.Equal(t, want, drawing(awaitTrace(t, c.Store(), service(t), 9)))

	root := find(trace, "SERVER", "/v2.1/servers")
	require.Equal(t, trace[0].TraceID[16:], root.ID, "the root span's id is the low half of the trace id")
	require.Equal(t, "/v2.1/servers", root.Tags["http.path"])
	require.Equal(t, "202", root.Tags["http.status_code"])
	require.Equal(t, "nova.compute.run_instance", find(trace, "CONSUMER", "run_instance").Tags["calltap.key"])
	requireTimesNest(t, trace)
	requireNoSecrets(t, trace)

	id := trace[0].TraceID
	for _, where := range []string{"", string(l.zipkin.ZipkinAPI)} {
		tree, err := c.Command("trace", "show", id, "--url", where)
		require.NoError(t, err)
		require.Len(t, regexp.MustCompile(`SERVER|CLIENT|PRODUCER|CONSUMER`).FindAllString(tree, -1), 9, tree)
		list, err := c.Command("trace", "list", "--service", service(t), "--url", where)
		require.NoError(t, err)
		require.Contains(t, list, id)
	}
}

// requireTimesNest: a call is shorter than what waits for it; nothing begins before its cause.
func requireTimesNest(t *testing.T, trace []harness.Span) {
	t.Helper()
	byID := make(map[string]harness.Span)
	for _, s := range trace {
		byID[s.ID] = s
	}
	for _, s := range trace {
		parent, ok := byID[s.ParentID]
		if !ok {
			continue
		}
		require.GreaterOrEqual(t, s.Timestamp, parent.Timestamp, "%s begins before %s", s.Name, parent.Name)
		if s.Kind == "SERVER" && parent.Kind == "CLIENT" {
			require.Positive(t, s.Duration)
			require.LessOrEqual(t, s.Timestamp+s.Duration, parent.Timestamp+parent.Duration, "%s outlasts its call", s.Name)
		}
	}
}

func requireNoSecrets(t *testing.T, trace []harness.Span) {
	t.Helper()
	for _, s := range trace {
		for key, value := range s.Tags {
			require.NotContains(t, value, "canary", "tag %s of %s", key, s.Name)
		}
		require.NotContains(t, s.Name, "canary")
	}
}

func TestAnInboundTraceIsContinuedInEveryForm(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	const parent = "00f067aa0ba902b7"
	for name, form := range map[string]struct{ before, after, parent string }{
		"traceparent":            {"00-", "-" + parent + "-01", parent},
		"b3":                     {"", "-" + parent + "-1", parent},
		"X-OpenStack-Request-ID": {},
	} {
		id := newTraceID()
		value := form.before + id + form.after
		if form.parent == "" {
			value = requestID(id)
		}
		require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers/7", "", name, value).Status, name)
		var trace []harness.Span
		harness.Eventually(t, patience, func() (err error) {
			trace, err = l.zipkin.Trace(id)
			if err == nil && len(trace) != 3 {
				err = errSpans(trace, 3)
			}
			return err
		})
		root := find(trace, "SERVER", "/v2.1/servers/{id}")
		require.Equal(t, form.parent, root.ParentID, name)
		require.Equal(t, root.ID, find(trace, "CLIENT", "get_instance").ParentID, name)
	}
}

func TestACastAndAFanoutReachTheirReceivers(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers/7/action", `{"reboot": {}}`).Status)
	cast := awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 3)
	require.Equal(t, find(cast, "PRODUCER", "reboot_instance").ID, find(cast, "CONSUMER", "reboot_instance").ParentID)
	require.Contains(t, find(cast, "SERVER", "/v2.1/servers/{id}/action").Tags["calltap.key"], "reboot",
		"the action is in the body only")

	require.Equal(t, 202, do(t, c, "POST", "/v2.1/servers/7/action", `{"refresh": {}}`).Status)
	harness.Eventually(t, patience, func() error {
		traces, err := l.zipkin.Traces(map[string][]string{"serviceName": {service(t)}, "spanName": {"refresh"}})
		if err == nil && (len(traces) != 1 || find(traces[0], "CONSUMER", "refresh").ID == "") {
			err = errSpans(nil, 3)
		}
		return err
	})
}
