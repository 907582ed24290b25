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
