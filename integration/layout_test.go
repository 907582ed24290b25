package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

const module = "github.com/calltap/calltap"

// imports is what a package, beside its own sub-packages, may import of calltap and of other modules.
// A package that is not listed may import anything.
var imports = map[string][]string{
	"span":        {},
	"keyrules":    {},
	"spanbuilder": {"span", "keyrules"},
	"emit":        {"span"},
	"report":      {"github.com/openzipkin/zipkin-go/model"},
	"amqptap": {"span", "keyrules", "spanbuilder", "emit",
		"github.com/caddyserver/caddy/v2", "github.com/rabbitmq/amqp091-go", "go.uber.org/zap"},
	"amqptap/dialect": {"span", "keyrules", "spanbuilder", "github.com/rabbitmq/amqp091-go"},
	"emit/zipkin":     {"span", "emit"},
	"emit/statsd":     {"span", "emit", "github.com/cactus/go-statsd-client/v5"},
	"emit/store":      {"span", "emit", "report"},
}

// The arrows of the picture in README.md point one way. This is what keeps them so.
func TestNoPackageImportsWhatItMayNotKnow(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	require.NoError(t, err)
	checked := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module+"/")
		allowed, ruled := imports[pkg]
		if !ruled {
			continue
		}
		checked++
		for _, imported := range words[1:] {
			if !strings.Contains(strings.Split(imported, "/")[0], ".") {
				continue // the standard library
			}
			own := strings.TrimPrefix(imported, module+"/")
			fine := slices.ContainsFunc(allowed, func(a string) bool { return own == a || strings.HasPrefix(own, a+"/") && strings.Contains(a, ".") })
			require.True(t, fine || strings.HasPrefix(own, pkg+"/"), "%s imports %s", pkg, own)
		}
	}
	require.Equal(t, len(imports), checked, "a package that has a rule is gone")
	require.NotContains(t, string(out), "amqptap "+module+"/caddymodule")
}

// A reader finds what a package is for in one place.
func TestEachPackageHasOneDoc(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{.Doc}}`, "./...")
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		path, doc, _ := strings.Cut(strings.TrimSpace(line), ": ")
		require.NotEmpty(t, doc, "package %s has no package comment", path)
	}
}
