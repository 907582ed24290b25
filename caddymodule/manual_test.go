package caddymodule

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
)

var envName = regexp.MustCompile(`\{(?:env\.|\$)(\w+)\}`)

// Every Caddyfile of the page about HTTP loads as it stands there.
func TestCaddyfilesOfTheHTTPPageLoad(t *testing.T) {
	text, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	loaded := 0
	for _, part := range fence.FindAllStringSubmatch(string(text), -1) {
		if part[1] != "caddyfile" {
			continue
		}
		for _, name := range envName.FindAllStringSubmatch(part[3], -1) {
			t.Setenv(name[1], strings.Repeat("k", 32))
		}
		var c caddy.Config
		require.NoError(t, json.Unmarshal(adapt(t, part[3]), &c))
		require.NoError(t, caddy.Validate(&c), part[3])
		loaded++
	}
	require.Greater(t, loaded, 1)
}

// The examples of its section about trace contexts, as its words say they behave.
func TestTheContextsOfTheHTTPPage(t *testing.T) {
	mesh := Tracing{Extract: []string{"b3_multi", "uber", "datadog", "w3c"}, Inject: []string{"w3c", "b3_multi"}}
	for _, form := range mesh.Extract {
		seen, s := throughSite(t, mesh, request1(near, inForms[form]...))
		require.Equal(t, inTrace, s.TraceID.String(), form)
		require.Equal(t, inTrace, seen.Get("X-B3-Traceid"))
		require.NotContains(t, seen, "B3")
		require.NotContains(t, seen, "Uber-Trace-Id")
		require.NotContains(t, seen, "X-Datadog-Trace-Id")
	}
	edge := Tracing{Extract: []string{}, Clear: []string{"w3c", "b3", "b3_multi", "uber", "sw8", "datadog", "tomograph"}}
	for form, header := range inForms {
		seen, s := throughSite(t, edge, request1(near, header...))
		require.NotEqual(t, inTrace, s.TraceID.String(), form)
		require.Len(t, seen, 2, "ours alone")
	}
}
