package caddymodule

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

// A Caddy that keeps its trusted proxies elsewhere must be noticed here, not in production.
func TestCaddyStillKeepsItsTrustedProxiesThere(t *testing.T) {
	require.True(t, proxiesFieldFound)
	require.Len(t, proxiesField.Index, 1)
	require.Equal(t, reflect.TypeFor[caddyhttp.IPRangeSource](), proxiesField.Type)
	require.False(t, hasTrustedProxies(&caddyhttp.Server{}))
}

// Whose trace goes on: as the server's option says, unless the site says otherwise, unless neither does.
func TestTheServersTrustedProxiesAreTheDefault(t *testing.T) {
	const stranger, loopback = "203.0.113.0/24", "127.0.0.1/32"
	for name, x := range map[string]struct {
		server, app, site string
		believed          bool
	}{
		"nobody says anything":           {"", "", "", true}, // the peer is the loopback
		"the server knows others":        {"trusted_proxies static " + stranger, "", "", false},
		"the server knows the peer":      {"trusted_proxies static " + stranger + " " + loopback, "", "", true},
		"strict or not":                  {"trusted_proxies static " + loopback + "\ntrusted_proxies_strict", "", "", true},
		"the site knows others":          {"trusted_proxies static " + loopback, "", "trusted_proxies " + stranger, false},
		"the site knows the peer":        {"trusted_proxies static " + stranger, "", "trusted_proxies " + loopback, true},
		"the site trusts nobody":         {"trusted_proxies static " + loopback, "", "trusted_proxies none", false},
		"the app knows others":           {"trusted_proxies static " + loopback, "trusted_proxies " + stranger, "", false},
		"the site goes before the app":   {"", "trusted_proxies none", "trusted_proxies private_ranges", true},
		"an option about something else": {"client_ip_headers X-Real-Ip", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			servers := ""
			if x.server != "" {
				servers = "servers {\n" + x.server + "\n}"
			}
			run(t, fmt.Sprintf("{\nadmin off\npersist_config off\nauto_https off\n%s\ncalltap {\nlog %s\n%s\n}\n}\nhttp://127.0.0.1:%d {\ncalltap {\n%s\n}\nrespond {vars.trace_id}\n}",
				servers, os.DevNull, x.app, port, x.site))
			// What is forwarded for whom is no matter: the peer is who speaks.
			for _, forged := range []string{"", "127.0.0.1", "203.0.113.9", "203.0.113.9, 127.0.0.1"} {
				_, id := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port), "Traceparent", "00-"+inTrace+"-"+inSpan+"-01", "X-Forwarded-For", forged, "Forwarded", "for="+forged)
				require.Len(t, id, 32)
				require.Equal(t, x.believed, id == inTrace, "%q", forged)
			}
		})
	}
}

// Whatever a stranger sends, in whichever form: it begins a trace of its own, is recorded or not as any other, and leaves no more than a tag.
func TestStrangersCannotSpoofInAnyForm(t *testing.T) {
	never := 0.0
	for form, header := range inForms {
		for _, sample := range []*float64{nil, &never} {
			seen, s := throughSite(t, Tracing{Extract: []string{form}, Sample: sample},
				request1(far, append([]string{"X-Forwarded-For", "127.0.0.1", "X-Real-Ip", "10.0.0.1"}, header...)...))
			require.Equal(t, sample == nil, s.Sampled, form)
			require.False(t, s.Debug, form)
			require.Zero(t, s.Parent, form)
			require.EqualValues(t, s.TraceID.Low, s.ID, "%s: it is the root", form)
			require.NotContains(t, s.TraceID.String(), inTrace[16:], form)
			require.True(t, strings.HasPrefix(seen.Get("Traceparent"), "00-"+s.TraceID.String()), form)
			require.NotContains(t, seen, "Tracestate", form)
			tag := ""
			for _, have := range s.Tags {
				if have.Key == "calltap.untrusted_trace_id" {
					tag = have.Value
				}
			}
			switch {
			case sample != nil:
				require.Empty(t, s.Tags, "no tracer sees it")
			case form == "tomograph":
				require.Equal(t, "00000000000000000001088987e2f4af", tag)
			default:
				require.Equal(t, inTrace, tag, form)
			}
		}
	}
}

// A stranger's "do not record", or a decision without ids, counts as little as its "do".
func TestStrangersCannotHide(t *testing.T) {
	for _, header := range [][]string{
		{"B3", "0"}, {"B3", inTrace + "-" + inSpan + "-0"}, {"X-B3-Sampled", "0"}, {"X-B3-Traceid", inTrace, "X-B3-Spanid", inSpan, "X-B3-Sampled", "false"},
		{"Traceparent", "00-" + inTrace + "-" + inSpan + "-00"},
	} {
		_, s := throughSite(t, Tracing{}, request1(far, header...))
		require.True(t, s.Sampled, header)
		_, s = throughSite(t, Tracing{}, request1(near, header...))
		require.False(t, s.Sampled, header)
	}
}
