package caddymodule

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A header that was signed with anything but the key's value would only be found out at the server, as a forgery.
func TestTriggerCommandSignsWithNothingButAKeysValue(t *testing.T) {
	t.Setenv("TRIGGER_KEY", strings.Repeat("k", 32))
	t.Setenv("SHORT_KEY", "hunter2")
	const fine = "{env.TRIGGER_KEY}"
	for want, args := range map[string][]string{
		"--key: want {env.NAME}":        {"--key", "kkkkkkkkkkkkkkkkkkkkkkkk"},
		"--key: want":                   {},
		"want {env.NAME} or":            {"--key", "{env.TRIGGER_KEY"},
		"want {env.NAME} or {file":      {"--key", "{env.TRIGGER_KEY}{env.TRIGGER_KEY}"},
		"or {file.PATH}: other":         {"--key", "{system.hostname}"},
		"{env.NO_KEY} has no value":     {"--key", "{env.NO_KEY}"},
		"{env.SHORT_KEY} has 7 bytes":   {"--key", "{env.SHORT_KEY}"},
		"valid for 1s to 1h0m0s, not 2": {"--key", fine, "--for", "2h"},
		"--count 0: want 1 or more":     {"--key", fine, "--count", "0"},
	} {
		runCommand(t, setUpTrigger(&cobra.Command{Use: "trigger"}), want, args...)
	}
}
