package caddymodule

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
)

// A fence of a page is a file by its name, a Caddyfile, or what a terminal shows.
var fence = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// The examples of the manual are what an operator sees, to the letter.
func TestExamplesOfTheManual(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	ran := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, part := range fence.FindAllStringSubmatch(string(text), -1) {
				kind, file, content := part[1], part[2], part[3]
				switch {
				case kind == "console":
					ran += runConsole(t, content)
				case kind == "caddyfile":
					require.NoError(t, os.WriteFile("Caddyfile", []byte(content), 0o600))
				case file != "":
					require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
				}
			}
		})
	}
	require.Greater(t, ran, 5)
}

// runConsole runs what stands behind each prompt, and compares what it prints with what follows.
func runConsole(t *testing.T, console string) (ran int) {
	for _, example := range strings.Split("\n"+console, "\n$ calltap explain ")[1:] {
		line, want, _ := strings.Cut(example, "\n")
		var out bytes.Buffer
		cmd := setUpExplain(&cobra.Command{Use: "explain"})
		cmd.SetOut(&out)
		cmd.SetArgs(shellWords(t, line))
		require.NoError(t, cmd.ExecuteContext(t.Context()), line)
		require.Equal(t, strings.TrimSuffix(want, "\n"), strings.TrimSuffix(out.String(), "\n"), line)
		ran++
	}
	return ran
}

// shellWords parts a command line at blanks outside of single quotes.
func shellWords(t *testing.T, line string) (all []string) {
	t.Helper()
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}

// A word that the page of the Caddyfile does not have is one that nobody finds.
func TestThePageOfTheCaddyfileHasEveryWord(t *testing.T) {
	text, err := os.ReadFile("../docs/caddyfile.md")
	require.NoError(t, err)
	for _, word := range append(new(App).words().Known(), append(newRuleParser(new(keyrules.Config)).words().Known(), "service", "key", "max_keys")...) {
		require.Regexp(t, "(?m)(`|[|]|^\\s*)"+word+"\\b", string(text))
	}
}
