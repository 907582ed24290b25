package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/trigger"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "trigger",
		Usage: "--key <placeholder> [--for <duration>] [--count <n>]",
		Short: "Makes a header that forces the trace of one request",
		Long: `
Signs the header X-Calltap-Trigger, for a calltap that has the same key in its
'trigger' block. A request that carries it is traced, whatever is sampled:

    curl -H "$(calltap trigger --key '{env.TRIGGER_KEY}' --for 5m)" https://api.example/v2/servers

Each header is good for one request, until it expires; --count makes several, one a
line. The trace's id is told on stderr. The key is a placeholder, {env.NAME} or
{file.PATH}, as an argument of a command can be seen by other users.`,
		CobraFunc: func(cmd *cobra.Command) { setUpTrigger(cmd) },
	})
}

func setUpTrigger(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().String("key", "", "{env.NAME} or {file.PATH} of the key")
	cmd.Flags().Duration("for", 5*time.Minute, "how long it may be used, up to 1h")
	cmd.Flags().Int("count", 1, "how many to make")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		placeholder, _ := cmd.Flags().GetString("key")
		if !isSecretPlaceholder(placeholder) {
			return errors.New("--key: want {env.NAME} or {file.PATH}: other users can see a command's arguments")
		}
		keys, err := secrets([]string{placeholder}, caddy.NewReplacer(), trigger.MinKey)
		if err != nil {
			return err
		}
		life, _ := cmd.Flags().GetDuration("for")
		count, _ := cmd.Flags().GetInt("count")
		if count < 1 {
			return fmt.Errorf("--count %d: want 1 or more", count)
		}
		now := time.Now()
		for range count {
			value, id, err := trigger.Make(keys[0], now, now.Add(life))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", trigger.Header, value); err != nil {
				return err
			}
			cmd.PrintErrln("trace", id)
		}
		return nil
	}
	return cmd
}
