package integration

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

var (
	namedTest = regexp.MustCompile(`\[(\w+)\]\((\.\./[^)]*_test\.go)\)`)
	numbered  = regexp.MustCompile(`(?m)^\| (\d+)( [^|]+)? \| ([^|]*)`)
)

// A claim about calltap stands only as long as the test that it names.
func TestEachClaimOfTheComparisonNamesATest(t *testing.T) {
	page := requireNamedTests(t, "compare.md")
	claims, proofs := map[string]bool{}, map[string]bool{}
	for _, row := range numbered.FindAllStringSubmatch(page, -1) {
		if row[2] != "" {
			claims[row[1]] = true
			continue
		}
		require.Regexp(t, namedTest, row[3], "row %s", row[1])
		proofs[row[1]] = true
	}
	require.Greater(t, len(claims), 20)
	require.Equal(t, claims, proofs)
}

// A limit stands only as long as its test does, too.
func TestEachLimitOfTheManualNamesATest(t *testing.T) {
	_, limits, ok := strings.Cut(requireNamedTests(t, "http.md"), "\n## Limits\n")
	require.True(t, ok)
	limits, _, _ = strings.Cut(limits, "\n## ")
	rows := 0
	for line := range strings.Lines(limits) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| of |") {
			require.Regexp(t, namedTest, line)
			rows++
		}
	}
	require.Greater(t, rows, 8)
}

// requireNamedTests demands that each test that a page names is where it says, and returns the page.
func requireNamedTests(t *testing.T, name string) (page string) {
	docs := filepath.Join(harness.Root(), "docs")
	page = read(t, filepath.Join(docs, name))
	for _, named := range namedTest.FindAllStringSubmatch(page, -1) {
		there := strings.Contains(read(t, filepath.Join(docs, named[2])), "\nfunc "+named[1]+"(t *testing.T)")
		require.True(t, there, "%s has no %s", named[2], named[1])
	}
	return page
}
