package amqptap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/internal/config"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "replay",
		Usage: "[--config <path> [--adapter <name>]] <capture.jsonl[.gz]>",
		Short: "Prints the spans of a recorded RabbitMQ firehose",
		Long: `
Feeds a recorded firehose, one JSON object a line, through dialects, pairing and
rules by the recorded clock, and prints Zipkin v2 JSON, one span a line:

    replay --config Caddyfile yesterday.jsonl
    replay - < yesterday.jsonl.gz

Captures are what 'record' writes. Of the configuration it takes the calltap app's keys and link; without one it takes
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

// openCapture opens a file, or standard input by the name of "-". What is gzip is unpacked, whatever its name.
func openCapture(name string, stdin io.Reader) (string, io.ReadCloser, error) {
	if name == "-" {
		in, err := unpacked(io.NopCloser(stdin))
		return "stdin", in, err
	}
	f, err := os.Open(name)
	if err != nil {
		return name, nil, err
	}
	in, err := unpacked(f)
	if err != nil {
		f.Close()
		return name, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return name, in, nil
}

// unpacked is in without gzip. A capture begins with a brace or white space, never with gzip's first bytes.
func unpacked(in io.ReadCloser) (io.ReadCloser, error) {
	b := bufio.NewReader(in)
	if head, _ := b.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return opened{b, in}, nil
	}
	z, err := gzip.NewReader(b)
	return opened{z, in}, err
}

// opened reads one thing and closes another beneath it.
type opened struct {
	io.Reader
	io.Closer
}
