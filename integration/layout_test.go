package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

const module = "github.com/calltap/calltap/"

// knows is what a package may import of calltap, beside its own sub-packages and, if it is not pure,
// internal ones.
var knows = map[string][]string{
	"span":               {},
	"keyrules":           {},
	"report":             {},
	"spanbuilder":        {"span", "keyrules", "sampling"},
	"sampling":           {"span"},
	"trigger":            {"span", "sampling"},
	"control":            {},
	"emit":               {"span"},
	"emit/zipkin":        {"span", "emit"},
	"emit/statsd":        {"span", "emit"},
	"emit/store":         {"span", "emit"},
	"emit/log":           {"span", "emit"},
	"emit/stats":         {"span", "emit"},
	"amqptap/dialect":    {"span", "keyrules", "spanbuilder"},
	"amqptap/wire":       {},
	"amqptap/management": {},
	"internal/words":     {"keyrules"},
	"amqptap":            {"internal/words", "span", "keyrules", "sampling", "spanbuilder", "emit"},
	"caddymodule":        {"internal/words", "span", "keyrules", "spanbuilder", "emit", "emit/zipkin", "emit/statsd", "emit/store", "emit/log", "emit/stats", "report", "sampling", "trigger", "control"},
}

// pure packages import nothing but the standard library and what they know.
var pure = []string{"span", "keyrules", "sampling", "spanbuilder", "emit", "amqptap/wire"}

// The arrows of the picture in README.md point one way. This is what keeps them so.
func TestNoPackageImportsWhatItMayNotKnow(t *testing.T) {
	for pkg, allowed := range knows {
		for _, imported := range strings.Fields(goList(t, `{{join .Imports " "}}`, "./"+pkg)) {
			own, ours := strings.CutPrefix(imported, module)
			host, _, _ := strings.Cut(imported, "/")
			switch {
			case !strings.Contains(host, "."): // the standard library
			case ours:
				helper := strings.HasPrefix(own, "internal/") && !slices.Contains(pure, pkg)
				require.True(t, helper || slices.Contains(allowed, own) || strings.HasPrefix(own, pkg+"/"), "%s imports %s", pkg, own)
			default:
				require.NotContains(t, pure, pkg, "%s imports %s", pkg, imported)
			}
		}
	}
}

// A reader finds what a package is for in one place.
func TestEachPackageSaysWhatItIs(t *testing.T) {
	for line := range strings.Lines(goList(t, `{{.ImportPath}}: {{.Doc}}`, "./...")) {
		path, doc, _ := strings.Cut(strings.TrimSpace(line), ": ")
		require.NotEmpty(t, doc, "package %s has no package comment", path)
	}
}

func goList(t *testing.T, format, packages string) string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", format, packages)
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}
