package amqptap

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "replay",
		Usage: "[--config <path> [--adapter <name>]] <capture.jsonl>",
		Short: "Prints the spans of a recorded RabbitMQ firehose",
		Long: `
Feeds a recorded firehose, one JSON object a line, through dialects, pairing and
rules by the recorded clock, and prints Zipkin v2 JSON, one span a line:

    replay --config Caddyfile yesterday.jsonl
    replay - < yesterday.jsonl

Of the configuration it takes the calltap app's keys and link; without one it takes
the default rules and links OpenStack's request ids. All spans are printed, sampled or
not. Lines that cannot be read are told on stderr and passed over; the exit code
is 1 only if none could be read.`,
		CobraFunc: replayCommand,
	})
}

func replayCommand(cmd *cobra.Command) {
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringP("config", "c", "", "Configuration file")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter that reads it (default: caddyfile, if the name says so)")
	cmd.RunE = runReplay
}

func runReplay(cmd *cobra.Command, args []string) error {
	cmd.SilenceUsage = true
	config, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	c := defaultReplay()
	if config != "" {
		adapted, err := adapt(config, adapter)
		if err != nil {
			return err
		}
		if c, err = replayConfigOf(adapted); err != nil {
			return fmt.Errorf("%s: %w", config, err)
		}
	} else if adapter != "" {
		return fmt.Errorf("--adapter %s without --config", adapter)
	}
	name, capture, err := openCapture(args[0], cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer capture.Close()
	return replay(name, capture, c, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// adapt reads a configuration file as Caddy's own commands do, without their log lines.
func adapt(file, adapter string) ([]byte, error) {
	config, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if base := strings.ToLower(filepath.Base(file)); adapter == "" && filepath.Ext(base) != ".json" &&
		(strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile")) {
		adapter = "caddyfile"
	}
	if adapter == "" || adapter == "json" {
		return config, nil
	}
	a := caddyconfig.GetAdapter(adapter)
	if a == nil {
		return nil, fmt.Errorf("unknown configuration adapter %q", adapter)
	}
	adapted, _, err := a.Adapt(config, map[string]any{"filename": file})
	if err != nil {
		return nil, fmt.Errorf("adapting the configuration: %w", err)
	}
	return adapted, nil
}

// openCapture opens a file, or standard input by the name of "-".
func openCapture(name string, stdin io.Reader) (string, io.ReadCloser, error) {
	if name == "-" {
		return "stdin", io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return name, nil, err
	}
	return name, f, nil
}
