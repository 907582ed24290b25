package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

var caddyfileBlock = regexp.MustCompile("(?ms)^```caddyfile\n(.*?)^```$")

// A reader copies what is in a block, so each must load as it stands.
func TestEveryCaddyfileInTheDocsLoads(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(harness.Root(), "docs", "*.md"))
	require.NoError(t, err)
	readme := filepath.Join(harness.Root(), "README.md")
	example := filepath.Join(harness.Root(), "Caddyfile.example")
	openstack := filepath.Join(harness.Root(), "integration", "openstack", "Caddyfile")
	texts := map[string]string{"Caddyfile.example": read(t, example), "openstack": read(t, openstack)}
	for _, page := range append(pages, readme) {
		for i, block := range caddyfileBlock.FindAllStringSubmatch(read(t, page), -1) {
			texts[fmt.Sprintf("%s-block-%d", filepath.Base(page), i+1)] = block[1]
		}
	}
	require.Contains(t, texts, "README.md-block-1")
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "Caddyfile")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			env := []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "TAP_PASSWORD=secret",
				"PROFILER_KEY=0123456789abcdef", "TRIGGER_KEY=0123456789abcdef"}
			_, err := harness.Exec(binary(t), dir, env, "validate", "--adapter", "caddyfile", "--config", file)
			require.NoError(t, err, text)
		})
	}
}

var localLink = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)

func TestEveryLinkInTheDocsLeadsSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(harness.Root(), "docs", "*.md"))
	require.NoError(t, err)
	for _, page := range append(pages, filepath.Join(harness.Root(), "README.md")) {
		for _, link := range localLink.FindAllStringSubmatch(read(t, page), -1) {
			require.FileExists(t, filepath.Join(filepath.Dir(page), link[1]), "linked from %s", filepath.Base(page))
		}
	}
}

// The rights that the tests give the tap's user are the rights that README.md tells an operator to give.
func TestReadmeGrantsWhatTheTestsGrant(t *testing.T) {
	readme := read(t, filepath.Join(harness.Root(), "README.md"))
	for _, right := range []string{`'^tap\.' '^tap\.' '^(tap\.|amq\.rabbitmq\.trace$)'`, `'^tap\.' '^tap\.' '^(tap\.|nova$)'`} {
		require.Contains(t, strings.Join(strings.Fields(readme), " "), right)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}
