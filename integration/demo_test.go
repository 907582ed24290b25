package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// TestTheDemoWorksAndLeavesNothing is `make demo ONCE=1`.
func TestTheDemoWorksAndLeavesNothing(t *testing.T) {
	theLab(t) // skips where the parts are missing
	for name, env := range map[string][]string{"python": nil, "go": {"DEMO_APPS=go"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			cmd := exec.Command("go", "run", "./integration/demo")
			cmd.Dir = harness.Root()
			cmd.Env = append(append(os.Environ(), "ONCE=1", "TMPDIR="+tmp), env...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), "PRODUCER", "%s", out)
			require.Contains(t, string(out), "|ms")

			left, err := filepath.Glob(filepath.Join(tmp, "calltap-demo-*"))
			require.NoError(t, err)
			require.Empty(t, left, "the demo's folder")
			require.Empty(t, processesOf(t, tmp))
		})
	}
}

// processesOf lists the running programs that work in dir or were started from it.
func processesOf(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, proc := range all {
		cwd, _ := os.Readlink(proc + "/cwd") // unreadable: it has ended meanwhile
		command, _ := os.ReadFile(proc + "/cmdline")
		if strings.HasPrefix(cwd, dir) || strings.Contains(string(command), dir) {
			found = append(found, proc+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}
