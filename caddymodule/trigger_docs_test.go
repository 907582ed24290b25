package caddymodule

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/trigger"
)

// triggers runs the manual's `calltap trigger` and returns the values of its headers, and the ids that it told.
func triggers(t *testing.T, args ...string) (values, ids []string) {
	t.Helper()
	var out, told bytes.Buffer
	cmd := setUpTrigger(&cobra.Command{Use: "trigger"})
	cmd.SetOut(&out)
	cmd.SetErr(&told)
	cmd.SetArgs(append([]string{"--key", "{env.TRIGGER_KEY}", "--for", "5m"}, args...))
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	for line := range strings.Lines(out.String()) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "X-Calltap-Trigger: ")
		require.True(t, ok, line)
		values = append(values, value)
	}
	for line := range strings.Lines(told.String()) {
		ids = append(ids, strings.TrimPrefix(strings.TrimSpace(line), "trace "))
	}
	require.Len(t, ids, len(values))
	return values, ids
}

// The example with a share of 0, so that what is recorded was forced, and with nobody trusted, so that the key alone counts.
func TestTheManualsTrigger(t *testing.T) {
	t.Setenv("PROFILER_KEY", "SECRET_KEY")
	t.Setenv("TRIGGER_KEY", strings.Repeat("k", 32))
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	config := manualSection(t, "http.md", "Trigger")[0]
	for _, words := range []string{"sample 0.01\n", "service glance-api\n", "limit 5/s burst 10\n"} {
		require.Contains(t, config, words)
	}
	config = forTest(config, "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(), ":9292", fmt.Sprintf(":%d", port), "127.0.0.1:19292", upstream.address(),
		"sample 0.01\n", "sample 0\n", "service glance-api\n", "service glance-api\n trusted_proxies none\n")
	run(t, config)

	own, ids := triggers(t, "--count", "3")
	expired, _, err := trigger.Make([]byte(strings.Repeat("k", 32)), time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
	require.NoError(t, err)
	forged, _, err := trigger.Make([]byte(strings.Repeat("x", 32)), time.Now(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	profiler := []string{infoHeader, profilerInfo, macHeader, profilerMAC}
	const profiled = "11111111222233334444555555555555"
	verdicts := map[string]int64{}
	for i, x := range []struct {
		header  []string
		trace   string // "" is not recorded
		verdict string
	}{
		{nil, "", ""},
		{[]string{triggerHeader, own[0]}, ids[0], "valid"},
		{[]string{triggerHeader, own[0]}, "", "replayed"},
		{[]string{triggerHeader, own[1], "B3", inTrace + "-" + inSpan + "-0"}, ids[1], "valid"},
		{[]string{triggerHeader, expired}, "", "expired"},
		{[]string{triggerHeader, forged}, "", "forged"},
		{[]string{triggerHeader, own[2][:40]}, "", "malformed"},
		{profiler, profiled, "valid"},
		{profiler, profiled, "valid"},
		{[]string{infoHeader, profilerInfo, macHeader, strings.Repeat("0", 40)}, "", "forged"},
	} {
		path := fmt.Sprintf("/%d", i)
		resp, _ := get(t, at(port, path), x.header...)
		require.Equal(t, http.StatusOK, resp.StatusCode, "served, whatever it is")
		seen := upstream.last().Header
		require.NotContains(t, seen, triggerHeader, "used up")
		require.Equal(t, x.trace != "", strings.HasSuffix(seen.Get("Traceparent"), "-01"))
		if x.trace == "" {
			require.Empty(t, zipkin.recorded(t, path), path)
		} else {
			s := zipkin.only(t, path)
			require.Equal(t, x.trace, s.TraceID.String(), path)
			require.Nil(t, s.ParentID, "base_id is parent_id, or there is none")
		}
		if x.header != nil && x.header[0] == infoHeader {
			require.Equal(t, []string{x.header[1], x.header[3]}, []string{seen.Get(infoHeader), seen.Get(macHeader)}, "goes on to those that read it")
		}
		if x.verdict != "" {
			verdicts[x.verdict]++
		}
		require.Equal(t, verdicts, running.newest().status().HTTP.Triggers, path)
	}

	reloadElsewhere(t, config, &port)
	get(t, at(port, "/reloaded"), triggerHeader, own[1])
	require.Empty(t, zipkin.recorded(t, "/reloaded"), "over reloads too")
	require.Equal(t, verdicts["replayed"]+1, running.newest().status().HTTP.Triggers["replayed"])
}

// Forced traces are bounded: what is above the limit is served, not recorded, and counted.
func TestTheManualsLimitOfTriggers(t *testing.T) {
	t.Setenv("PROFILER_KEY", "SECRET_KEY")
	t.Setenv("TRIGGER_KEY", strings.Repeat("k", 32))
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	run(t, forTest(manualSection(t, "http.md", "Trigger")[0], "http://127.0.0.1:9411/api/v2/spans", zipkin.sink(), ":9292", fmt.Sprintf(":%d", port),
		"127.0.0.1:19292", upstream.address(), "sample 0.01\n", "sample 0\n", "limit 5/s burst 10", "limit 1/h burst 10"))
	values, _ := triggers(t, "--count", "25")
	for _, value := range values {
		resp, _ := get(t, at(port, "/limited"), triggerHeader, value)
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	require.Len(t, zipkin.recorded(t, "/limited"), 10)
	counted := maps.Clone(running.newest().status().HTTP.Triggers)
	require.Equal(t, map[string]int64{"valid": 10, "limited": 15}, counted)
}

// A key that stands in the file itself would be seen in GET /config.
func TestTheManualsTriggerTakesNoKeyInPlainSight(t *testing.T) {
	for _, kind := range []string{"{env.PROFILER_KEY}", "{env.TRIGGER_KEY}"} {
		config := strings.Replace(manualSection(t, "http.md", "Trigger")[0], kind, "hunter2hunter2hunter2", 1)
		err := adaptError(t, config)
		require.ErrorContains(t, err, "write {env.NAME} or {file.PATH}")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// Without `limit` it is what the page says: 20 at once, and 10 more each second.
func TestTheManualsDefaultLimitOfTriggers(t *testing.T) {
	key := strings.Repeat("k", 32)
	t.Setenv("TRIGGER_KEY", key)
	checker, err := newChecker(&Trigger{Keys: []string{"{env.TRIGGER_KEY}"}}, caddy.NewReplacer(), new(trigger.Guard))
	require.NoError(t, err)
	now := time.Now()
	for second, want := range []int{20, 10} {
		valid := 0
		for range 30 {
			value, _, err := trigger.Make([]byte(key), now, now.Add(time.Minute))
			require.NoError(t, err)
			if _, v := checker.Check(trigger.Headers{Own: []string{value}}, now.Add(time.Duration(second)*time.Second)); v == trigger.Valid {
				valid++
			}
		}
		require.Equal(t, want, valid, "second %d", second)
	}
}

// Caddy's access log shows the headers of a request, also those that force a trace. The filter of the page takes them out.
func TestTheManualsFilterKeepsTriggersOutOfTheAccessLog(t *testing.T) {
	t.Setenv("TRIGGER_KEY", strings.Repeat("k", 32))
	const filter = "format filter {\n\t\t\trequest>headers>X-Calltap-Trigger delete\n\t\t\trequest>headers>X-Trace-Hmac delete\n\t\t}\n"
	for filtered, words := range map[bool]string{true: filter, false: "format json\n"} {
		upstream, port := newListening(t, ok), freePort(t)
		logFile := t.TempDir() + "/access.log"
		config := manualSection(t, "http.md", "Trigger")[1]
		require.Contains(t, config, filter)
		run(t, forTest(config, ":9292", fmt.Sprintf(":%d", port), "127.0.0.1:19292", upstream.address(),
			filter, "output file "+logFile+" {\n roll_disabled\n }\n"+words))
		values, _ := triggers(t)
		get(t, at(port, "/logged"), triggerHeader, values[0], macHeader, profilerMAC)
		var line string
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(logFile)
			line = string(text)
			return strings.HasSuffix(line, "\n")
		}, patience, 10*time.Millisecond)
		require.Contains(t, line, "/logged")
		require.Equal(t, !filtered, strings.Contains(line, "mac="), line)
		require.Equal(t, !filtered, strings.Contains(line, profilerMAC), line)
	}
}
