package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
	"github.com/calltap/calltap/trigger"
)

const testTriggerKey = "0123456789abcdef"

// Made by OSProfiler's own library with the key SECRET_KEY.
const (
	profilerInfo = "eyJiYXNlX2lkIjogIjExMTExMTExLTIyMjItMzMzMy00NDQ0LTU1NTU1NTU1NTU1NSIsICJwYXJlbnRfaWQiOiAiMTExMTExMTEtMjIyMi0zMzMzLTQ0NDQtNTU1NTU1NTU1NTU1In0="
	profilerMAC  = "3ce8715d353f58e1c48fc8bd4ce1fa56e0e945df"
)

// A stranger with a key is traced although nothing is sampled; one without is not, and is served alike.
func TestAValidTriggerForcesTheTrace(t *testing.T) {
	t.Setenv("TRIGGER_KEY", testTriggerKey)
	t.Setenv("PROFILER_KEY", "SECRET_KEY\n")
	value, id, err := trigger.Make([]byte(testTriggerKey), time.Now(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	last := "0" // the last digit, whichever it was not
	if strings.HasSuffix(value, last) {
		last = "1"
	}
	forged := value[:len(value)-1] + last
	for _, x := range []struct {
		name    string
		header  []string
		trace   string // "" is not traced
		verdict trigger.Verdict
	}{
		{"none", nil, "", trigger.None},
		{"forged", []string{triggerHeader, forged}, "", trigger.Forged},
		{"own", []string{triggerHeader, value}, id.String(), trigger.Valid},
		{"replayed", []string{triggerHeader, value}, "", trigger.Replayed},
		{"osprofiler", []string{infoHeader, profilerInfo, macHeader, profilerMAC}, "11111111222233334444555555555555", trigger.Valid},
		{"osprofiler without its mac", []string{infoHeader, profilerInfo}, "", trigger.None},
		{"with a trace of its own", []string{infoHeader, profilerInfo, macHeader, profilerMAC, "B3", "0"}, "11111111222233334444555555555555", trigger.Valid},
	} {
		c := &capture{}
		p := emit.New(emit.Options{}, c)
		st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
		st.tracer.Head.Share = 0
		st.trigger, err = newChecker(&Trigger{OSProfiler: []string{"{env.PROFILER_KEY}"}, Keys: []string{"{env.TRIGGER_KEY}"}}, caddy.NewReplacer(), &triggerGuard)
		require.NoError(t, err)
		before := triggerGuard.Counts[x.verdict].Load()
		h := newHandler(t, "", st)
		w := &nullWriter{header: http.Header{}}
		r := request1(far, x.header...)
		require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			require.NotContains(t, r.Header, triggerHeader, "used up")
			require.Equal(t, first(request1(far, x.header...).Header[infoHeader]), first(r.Header[infoHeader]), "OSProfiler's goes on")
			return nil
		})), x.name)
		require.NoError(t, p.Close(t.Context()))
		require.NoError(t, p.Close(t.Context()))
		require.Len(t, c.spans, 1)
		require.Equal(t, x.trace != "", c.spans[0].Sampled, x.name)
		if x.trace != "" {
			require.Equal(t, x.trace, c.spans[0].TraceID.String(), x.name)
			require.Zero(t, c.spans[0].Parent, "%s: it is a root", x.name)
		}
		if x.verdict != trigger.None {
			require.Equal(t, before+1, triggerGuard.Counts[x.verdict].Load(), x.name)
		}
	}
}

// OSProfiler's client sends the same headers with all that it does. Its requests are one trace, and not one span.
func TestRequestsOfOneProfilerAreSpansOfTheirOwn(t *testing.T) {
	t.Setenv("PROFILER_KEY", "SECRET_KEY")
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	st := testState(t, p, keyrules.Config{}, spanbuilder.LinkOpenStack)
	var err error
	st.trigger, err = newChecker(&Trigger{OSProfiler: []string{"{env.PROFILER_KEY}"}}, caddy.NewReplacer(), new(trigger.Guard))
	require.NoError(t, err)
	for _, service := range []string{"keystone", "nova", "nova"} {
		require.NoError(t, serve(t, newHandler(t, service, st), request1(far, infoHeader, profilerInfo, macHeader, profilerMAC), answers(200, nil)))
	}
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 3)
	seen := map[span.ID]bool{}
	for _, s := range c.spans {
		require.Equal(t, "11111111222233334444555555555555", s.TraceID.String())
		require.Zero(t, s.Parent)
		require.False(t, seen[s.ID], "a span id of its own")
		seen[s.ID] = true
	}
}

// A service behind the calltap that took the trigger calls one behind another, by the request id alone.
func TestATriggersTraceGoesOnByItsRequestID(t *testing.T) {
	_, id, err := trigger.Make([]byte(testTriggerKey), time.Now(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	outer := &spanbuilder.Tracer{Link: spanbuilder.LinkOpenStack, Links: spanbuilder.NewLinks(0)}
	inner := &spanbuilder.Tracer{Link: spanbuilder.LinkOpenStack, Links: spanbuilder.NewLinks(0)}
	first := outer.StartServer(spanbuilder.Context{TraceID: id, Decision: spanbuilder.Accept}, true, "", false, "nova", sampling.Always)
	sent := string(spanbuilder.AppendRequestID(nil, first.TraceID))
	second := inner.StartServer(spanbuilder.Context{}, false, sent, true, "glance", sampling.All)
	require.Equal(t, id, second.TraceID)
	require.Equal(t, first.ID, second.Parent)
	require.NotEqual(t, first.ID, second.ID)
}

// triggerGuard is shared by the cases above, as by the configurations of a process.
var triggerGuard trigger.Guard

func TestAKeyWithoutValueIsALoadError(t *testing.T) {
	t.Setenv("SHORT_KEY", "hunter2")
	for placeholder, want := range map[string]string{
		"{env.NO_SUCH_KEY}":    "{env.NO_SUCH_KEY} has no value",
		"{file./no/such/file}": "{file./no/such/file} has no value",
		"{env.SHORT_KEY}":      "the key of {env.SHORT_KEY} has 7 bytes, want at least 16",
	} {
		_, err := newChecker(&Trigger{Keys: []string{placeholder}}, caddy.NewReplacer(), new(trigger.Guard))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
