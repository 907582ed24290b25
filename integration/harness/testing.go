package harness

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Need fails the test on err. A missing part is a loud skip instead, except under CI (the variable
// CI is set), so that nobody takes a skipped test for a passed one.
func Need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") == "" {
		t.Skip("SKIPPED, NOTHING WAS TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually asks until check returns nil, and fails the test with check's last error after patience.
func Eventually(t testing.TB, patience time.Duration, check func() error) {
	t.Helper()
	if err := Await(patience, check); err != nil {
		t.Fatal(err)
	}
}

// Await asks until check returns nil, and returns check's last error after patience.
func Await(patience time.Duration, check func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", patience, err)
		}
	}
}

// ShowOnFailure prints the end of each program's output if the test fails.
func ShowOnFailure(t testing.TB, programs ...*Process) {
	t.Cleanup(func() {
		for _, p := range programs {
			if t.Failed() && p != nil {
				t.Logf("---- %s (%s) ----\n%s", p.Name, p.log, tail(withoutQuestions(p.Output())))
			}
		}
	})
}

// withoutQuestions leaves out the lines by which Caddy logs that a test asked its admin API.
func withoutQuestions(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, `"logger":"admin.api"`) {
			b.WriteString(line)
		}
	}
	return b.String()
}
