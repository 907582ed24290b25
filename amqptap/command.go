package amqptap

import (
	"io"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/internal/config"
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
	config.AddFlags(cmd)
	cmd.RunE = runReplay
}

func runReplay(cmd *cobra.Command, args []string) error {
	cmd.SilenceUsage = true
	c, err := config.FromFlags(cmd, defaultReplay())
	if err != nil {
		return err
	}
	name, capture, err := openCapture(args[0], cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer capture.Close()
	return replay(name, capture, c, cmd.OutOrStdout(), cmd.ErrOrStderr())
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
