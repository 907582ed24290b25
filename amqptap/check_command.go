package amqptap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// checkPatience is how long a check may take.
const checkPatience = time.Minute

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "rabbitmq",
		Usage: "check [--config <path> [--adapter <name>]] [--json] [<amqp-url>]",
		Short: "Says whether a RabbitMQ broker can be tapped, and changes nothing there",
		Long: `
Connects to the brokers of a configuration, or the one at the URL, and tells what the tap
would meet: version, rights, alarms, policies, on which nodes the firehose is on, what a
mirror would change, and what it would declare and bind. It declares, binds and publishes nothing.

    rabbitmq check --config Caddyfile
    rabbitmq check 'amqp://tap:{env.TAP_PASSWORD}@127.0.0.1:5672/' --management http://127.0.0.1:15672

Exit status is 0 if nothing stands against it, 2 if it would work but something should be
known, 1 if it would not work.`,
		CobraFunc: rabbitmqCommand,
	})
}

func rabbitmqCommand(cmd *cobra.Command) {
	sub := &cobra.Command{
		Use:   "check [--config <path> [--adapter <name>]] [--json] [<amqp-url>]",
		Short: "Says whether a broker can be tapped, and changes nothing there",
	}
	addSourceFlags(sub)
	sub.Flags().Bool("json", false, "Print one object of JSON")
	sub.RunE = runCheck
	cmd.AddCommand(sub)
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("want 'rabbitmq check'") }
}

func runCheck(cmd *cobra.Command, args []string) error {
	cmd.SilenceUsage = true
	sources, _, err := sourcesOf(cmd, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkPatience)
	defer cancel()
	var all []checked
	worst := levelOK
	for _, s := range sources {
		t, err := s.unstarted()
		if err != nil {
			return err
		}
		c := check(ctx, t)
		all = append(all, c)
		if worst != levelError && c.Verdict != levelOK {
			worst = c.Verdict
		}
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		err = writeJSON(cmd.OutOrStdout(), worst, all)
	} else {
		err = writeChecks(cmd.OutOrStdout(), all)
	}
	if err != nil {
		return err
	}
	return exitWith(cmd, worst)
}

// errFails makes the exit status 1.
var errFails = errors.New("it would not work")

// exitWith ends the command with the status of a verdict, and says no more: the report has said it.
func exitWith(cmd *cobra.Command, verdict level) error {
	cmd.SilenceErrors = true
	switch verdict {
	case levelError:
		return errFails
	case levelWarning: // only Caddy can make an exit status other than 0 and 1
		return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitWarned, nil })(cmd, nil)
	}
	return nil
}

const exitWarned = 2

func writeJSON(out io.Writer, worst level, all []checked) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Verdict level     `json:"verdict"`
		Sources []checked `json:"sources"`
	}{worst, all})
}

var verdicts = map[level]string{
	levelOK:      "nothing stands against it",
	levelWarning: "it would work; see the warnings",
	levelError:   "it would not work; see the errors",
}

// writeChecks prints a paragraph a source, a line a finding, with what to do about it below.
func writeChecks(out io.Writer, all []checked) error {
	var b strings.Builder
	for i, c := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  %s\n", c.Broker, c.Mode)
		for _, f := range c.Findings {
			fmt.Fprintf(&b, "  %-8s %-11s %s\n", f.Level, f.About, f.Text)
			if f.Advice != "" {
				fmt.Fprintf(&b, "  %-8s %-11s → %s\n", "", "", f.Advice)
			}
		}
		fmt.Fprintf(&b, "  %-8s %-11s %s, exclusive, bounded, drops its oldest\n", "would", "declare", c.Queue)
		for _, bound := range c.Bindings {
			fmt.Fprintf(&b, "  %-8s %-11s %s: %s\n", "would", "bind to", bound.Exchange, strings.Join(bound.Keys, " "))
		}
		fmt.Fprintf(&b, "%s\n", verdicts[c.Verdict])
	}
	_, err := io.WriteString(out, b.String())
	return err
}
