package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/calltap/calltap/control"
	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
	"github.com/calltap/calltap/spanbuilder"
)

// What is off leaves a request as it came; what is thinned out or narrowed is still counted.
func TestWhatIsSwitchedHoldsForTheNextRequest(t *testing.T) {
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
	h := newHandler(t, "nova-api", st)
	send := func(method, path string) (header http.Header) {
		w := &nullWriter{header: http.Header{}}
		r := request1(near)
		r.Method, r.URL.Path = method, path
		require.NoError(t, h.ServeHTTP(w, caddyRequest(r, w), caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			header = r.Header
			return nil
		})))
		return header
	}
	set := func(s control.Switch) { require.NoError(t, st.control.Set(s)) }

	require.Contains(t, send("GET", "/a"), "B3")
	set(control.Switch{Do: control.Off, Site: "nova-api"})
	require.Empty(t, send("GET", "/off"), "as it came")
	set(control.Switch{Do: control.Sample, Share: 0, Site: "nova-api"})
	require.True(t, strings.HasSuffix(first(send("GET", "/none")["B3"]), "-0"))
	set(control.Switch{Do: control.Only, Match: "POST /v2.1/*", Site: "nova-api"})
	require.True(t, strings.HasSuffix(first(send("GET", "/v2.1/x")["B3"]), "-0"))
	require.True(t, strings.HasSuffix(first(send("POST", "/v2.1/x")["B3"]), "-1"))
	set(control.Switch{Do: control.On})
	set(control.Switch{Do: control.Off, Key: "*quiet*"})
	send("GET", "/quiet")
	set(control.Switch{Do: control.Sample, Key: "*quiet*"})
	send("GET", "/quiet")
	set(control.Switch{Do: control.On})
	send("GET", "/z")

	require.NoError(t, p.Close(t.Context()))
	var got []string
	for _, s := range c.spans {
		word := s.Name
		if !s.Sampled {
			word += " counted"
		}
		got = append(got, word)
	}
	require.ElementsMatch(t, []string{"GET /a", "GET /none counted", "GET /v2.1/x counted", "POST /v2.1/x", "GET /quiet counted", "GET /z"}, got)
	require.Zero(t, st.requests.n.Load())
}

// RPC goes with the request that caused it, and by itself if none did.
func TestSwitchesHoldForRPC(t *testing.T) {
	c := &capture{}
	p := emit.New(emit.Options{}, c)
	st := testState(t, p, keyrules.Config{}, spanbuilder.LinkNone)
	linked := span.TraceID{Low: 7}
	st.links.Put(linked, spanbuilder.Entry{ID: 7, Sampled: true})
	offer := func(trace span.TraceID, service string) {
		controlledSink{st}.Offer(&span.Span{TraceID: trace, ID: 1, Start: 1, Sampled: true, Name: "x", Local: span.Endpoint{Service: service}})
	}
	require.NoError(t, st.control.Set(control.Switch{Do: control.Only, Match: "POST /*"}))
	offer(linked, "conductor")
	offer(span.TraceID{Low: 8}, "conductor") // a periodic task
	require.NoError(t, st.control.Set(control.Switch{Do: control.Off, Site: "conductor"}))
	offer(linked, "conductor")
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, c.spans, 2)
	require.True(t, c.spans[0].Sampled)
	require.False(t, c.spans[1].Sampled)
}

func controlCommand(t *testing.T, wantErr string, args ...string) string {
	t.Helper()
	return runCommand(t, setUpControl(&cobra.Command{Use: "control"}), wantErr, args...)
}

// The command against a running server: a switch survives a reload, and is shown.
func TestControlCommand(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", admin)
	config := adminSite(admin, port, "store", "calltap {\n service shop\n}\nrespond ok")
	run(t, config)
	switched := func(args ...string) string { return controlCommand(t, "", append(args, "--url", base)...) }
	require.Contains(t, switched("status"), "as the configuration says")
	require.Regexp(t, `sample 0.5 +shop +all +taken back`, switched("sample", "0.5", "--site", "shop"))
	load(t, strings.Replace(config, "respond ok", "respond no", 1))
	require.Regexp(t, `sample 0.5 +shop`, switched("status"))
	require.Contains(t, switched("only", "POST /v2.1/servers*", "--for", "10m"), "only POST /v2.1/servers*")
	_, page := get(t, base+"/calltap/status")
	require.Contains(t, page, `"match": "POST /v2.1/servers*"`)
	require.Contains(t, switched("on"), "as the configuration says")

	for want, args := range map[string][]string{
		"want a share from 0 to 1": {"sample", "2"},
		"want METHOD PATH":         {"only", "/servers"},
		"want one of":              {"sample"},
		"want one of: status":      {},
		"in quotes; found only":    {"only", "POST", "/v2.1/servers"},
		"want on, off, sample":     {"stop"},
		"for: want a length":       {"off", "--for", "-1m"},
		"for: want a length of":    {"off", "--for", "0s"},
		"there are: shop":          {"off", "--site", "shpo"},
	} {
		controlCommand(t, want, append(args, "--url", base)...)
	}
	for body, want := range map[string]string{
		`{"do":"sample"}`:             "the share is missing",
		`{"do":"sample","shere":0.5}`: "unknown field",
		`{"do":"on"}{"do":"off"}`:     "want one JSON object",
		`{"do":"off","share":0.5}`:    "takes neither a share nor a match",
	} {
		_, err := post(t.Context(), http.DefaultClient, base+"/calltap/control", []byte(body))
		require.ErrorContains(t, err, want, body)
	}
	require.Contains(t, switched("status"), "as the configuration says", "what is refused changes nothing")
}

// What was switched for a site can be seen to do nothing any more, and be taken back, when a reload has taken the site away. Nothing else
// can be said of that site.
func TestASwitchOfASiteThatIsGoneCanBeTakenBack(t *testing.T) {
	admin, port := freePort(t), freePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", admin)
	config := func(service string) string {
		return adminSite(admin, port, "store", "calltap {\n service "+service+"\n}\nrespond ok")
	}
	page := func() string { _, page := get(t, base+"/calltap/status"); return page }
	for _, words := range [][]string{{"off"}, {"sample", "0.5"}, {"only", "GET /a*"}} {
		t.Run(words[0], func(t *testing.T) {
			run(t, config("shop"))
			switched := func(wantErr string, args ...string) string {
				return controlCommand(t, wantErr, append(args, "--url", base)...)
			}
			require.NotContains(t, switched("", append(words, "--site", "shop")...), "no such site")
			switched("", "sample", "0", "--site", "blog", "--key", "x") // keys may be of any service
			require.NotContains(t, page(), "no_such_site")

			load(t, config("blog"))
			require.Regexp(t, `shop \(no such site\) +all`, switched("", "status"))
			require.Equal(t, 1, strings.Count(page(), `"no_such_site": true`))
			switched("there are: blog", "off", "--site", "shop")
			switched("there are: blog", "on", "--site", "shpo")

			load(t, config("shop"))
			require.NotContains(t, switched("", "status"), "no such site", "it holds for the site again")
			load(t, config("blog"))

			require.NotContains(t, switched("", "on", "--site", "shop"), "shop")
			switched("no site is called", "on", "--site", "shop")
			require.Contains(t, switched("", "on"), "as the configuration says")
		})
	}
}

// The zero time in a log would be the year 1.
func TestWhoSwitchedWhatIsLogged(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	st := &state{logger: zap.New(core)}
	st.tell(&control.Switch{Do: control.Off, Site: "shop"}, "127.0.0.1:4711")
	st.tell(&control.Switch{Do: control.Off, Until: time.Unix(1795233867, 0)}, "127.0.0.1:4711")
	all := logged.All()
	require.Len(t, all, 2)
	require.Equal(t, "127.0.0.1:4711", all[0].ContextMap()["by"])
	require.NotContains(t, all[0].ContextMap(), "until")
	require.Contains(t, all[1].ContextMap(), "until")
}
