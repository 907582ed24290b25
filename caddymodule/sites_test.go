package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An operator who looks at the status page must see the list that holds, not the one that would hold without the server's.
func TestTheStatusTellsWhoDecidesWhomASiteBelieves(t *testing.T) {
	port := freePort(t)
	ask := func(servers, app, site string) []trusted {
		load(t, fmt.Sprintf("{\nadmin off\npersist_config off\nservers {\n%s\n}\ncalltap {\nstore\n%s\n}\n}\nhttp://127.0.0.1:%d {\ncalltap {\nservice shop\n%s\n}\nrespond ok\n}",
			servers, app, port, site))
		return running.newest().status().Settings.TrustedProxies
	}
	t.Cleanup(func() { stop(t) })
	const static = "trusted_proxies static 203.0.113.0/24 198.51.100.7"
	for _, x := range []struct {
		server, app, site string
		by                string
		peers             []string
	}{
		{"", "", "", "default", []string{privateRanges}},
		{"trusted_proxies_unix", "", "", "default", []string{privateRanges}},
		{static, "", "", "server", []string{"203.0.113.0/24", "198.51.100.7"}},
		{static + "\ntrusted_proxies_unix", "", "", "server", []string{"203.0.113.0/24", "198.51.100.7", "unix"}},
		{static, "trusted_proxies 10.0.0.0/8", "", "calltap", []string{"10.0.0.0/8"}},
		{static, "trusted_proxies 10.0.0.0/8", "trusted_proxies none", "site", []string{}},
		{"", "trusted_proxies none", "trusted_proxies private_ranges 192.0.2.1", "site", []string{privateRanges, "192.0.2.1"}},
	} {
		got := ask(x.server, x.app, x.site)
		require.Len(t, got, 1)
		require.Equal(t, "shop", got[0].Site)
		require.Regexp(t, `^Caddyfile:\d+$`, got[0].At)
		require.Contains(t, strings.Join(got[0].Listen, " "), fmt.Sprint(port))
		require.Equal(t, x.by, got[0].By, x)
		require.Equal(t, x.peers, got[0].Peers, x)
	}
}

// What an inner calltap says of how a request begins is said too late. It is warned of where it is certain, and nowhere else.
func TestWhatAnInnerCalltapSaysInVainIsWarnedOf(t *testing.T) {
	outer := "calltap\n"
	inner := "calltap {\nservice in\nsample 0\ntrusted_proxies none\n}\n"
	for name, x := range map[string]struct {
		site  string
		at    int // the line of the inner one in the site; 0 is no warning
		sites int // that decide whom they believe
	}{
		"in a handle":               {outer + "handle /a/* {\n" + inner + "respond a\n}", 3, 1},
		"in a route of a handle":    {outer + "handle /a/* {\nroute {\n" + inner + "respond a\n}\n}", 4, 1},
		"beside it":                 {outer + inner, 2, 1},
		"in a route before it":      {"route {\n" + outer + "}\nroute {\n" + inner + "}", 5, 1},
		"with other words":          {outer + "handle {\ncalltap {\nservice in\ntag a b\nquery {\nkeep c\n}\nrule GET /x\n}\n}", 0, 1},
		"outer one with a matcher":  {"calltap /a/*\nhandle /b/* {\n" + inner + "}", 0, 2},
		"outer one with ignore":     {"calltap {\nignore GET /a\n}\nhandle {\n" + inner + "}", 0, 2},
		"in handles side by side":   {"handle /a/* {\n" + outer + "}\nhandle {\n" + inner + "}", 0, 2},
		"in handle_errors":          {outer + "handle_errors {\n" + inner + "}", 0, 2},
		"in a route with a matcher": {"route /a/* {\n" + outer + "}\nroute {\n" + inner + "}", 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "caddy.log")
			head := fmt.Sprintf("{\nadmin off\npersist_config off\nlog {\noutput file %s {\nroll_disabled\n}\nformat json\n}\ncalltap {\nlog %s\n}\n}\nhttp://127.0.0.1:%d {\n", file, os.DevNull, freePort(t))
			run(t, head+x.site+"\n}")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, x.at > 0, strings.Contains(string(text), "stands within another one"))
			if x.at > 0 {
				require.Contains(t, string(text), fmt.Sprintf(`"at":"Caddyfile:%d","service":"in","words":["trusted_proxies","sample"]`, strings.Count(head, "\n")+x.at))
			}
			require.Len(t, running.newest().status().Settings.TrustedProxies, x.sites)
		})
	}
}

// The page's words about an inner calltap: what it says of how a request begins changes nothing, of how it is shown it does.
func TestAnInnerCalltapDoesNotDecideHowARequestBegins(t *testing.T) {
	zipkin, upstream, port := newCollector(t), newListening(t, ok), freePort(t)
	run(t, site(zipkin, port, "", fmt.Sprintf(`calltap
		handle {
			calltap {
				service in
				tag plan gold
				extract none
				clear none
				inject none
				trusted_proxies none
				sample 0
				upstream_spans on
				response_header X-Trace-Id
			}
			reverse_proxy %s
		}`, upstream.address())))
	resp, _ := get(t, at(port, "/a"), "B3", accepted)
	s := zipkin.only(t, "/a")
	require.Equal(t, inTrace, s.TraceID.String())
	require.Equal(t, [2]string{"in", "gold"}, [2]string{s.LocalEndpoint.ServiceName, s.Tags["plan"]})
	requireBelow(t, upstream.last(), s)
	require.Empty(t, resp.Header.Get("X-Trace-Id"))
	require.Len(t, zipkin.all(), 1, "and no span of an attempt")
}
