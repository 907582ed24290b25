package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

// An example that nobody drives is a promise that nobody keeps.
func TestEveryExampleOfTheHTTPPageIsDriven(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.Write(text)
	}
	page, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	examples := 0
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		for i := range manualSection(t, "http.md", title) {
			require.Contains(t, tests.String(), fmt.Sprintf("manualSection(t, \"http.md\", %q)[%d]", title, i))
			examples++
		}
	}
	require.Greater(t, examples, 10)
}

// Each option has a row that tells its default, and an example.
func TestEveryOptionIsOnTheHTTPPage(t *testing.T) {
	text, err := os.ReadFile("../docs/http.md")
	require.NoError(t, err)
	page := string(text)
	options := append(new(Tracing).words().Known(), "service", "link", "trigger", "calltap_skip")
	for _, option := range options {
		row := regexp.MustCompile("(?m)^\\| `" + option + `\b[^|\n]*(\\\|[^|\n]*)*\|[^|\n]+\|[^|\n]+\|?`)
		require.True(t, row.MatchString(page), "no row of %s", option)
		require.True(t, regexp.MustCompile(`(?m)^\t+`+option+`\b`).MatchString(page), "no example of %s", option)
	}
	for _, word := range []string{"sample rate", "sample parent", "osprofiler", "key", "limit", "keep", "hash", "redact", "transport calltap"} {
		require.True(t, regexp.MustCompile(`(?m)^\t+`+word+` `).MatchString(page), "no example of %s", word)
	}
}
