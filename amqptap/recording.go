package amqptap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/keyrules"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "record",
		Usage: "[--config <path> [--adapter <name>]] [<amqp-url>] [--for <time>] [--max-events <n>] [--max-bytes <size>] [--raw] -o <file>",
		Short: "Records RPC from a RabbitMQ broker into a file",
		Long: `
Writes what the tap would see to a file that 'replay' reads, to look at it later
or to send a problem to somebody:

    record --config Caddyfile -o problem.jsonl.gz
    record 'amqp://tap:{env.TAP_PASSWORD}@127.0.0.1:5672/' --for 1m -o problem.jsonl

It makes a queue of its own, bounded like the tap's, and takes it away at the end, which is
after --for, --max-events or --max-bytes, or at Ctrl-C. The firehose must be on. The file is
gzip if its name ends in .gz, is readable by its owner only, and appears when it is complete.

All that makes no difference to spans is blanked: arguments, results, tokens, exception
texts. What stays are ids, names of methods, exchanges, queues and hosts, and arguments that
rules of the configuration name. --raw writes all as it is: keep such a file like a password.`,
		CobraFunc: recordCommand,
	})
}

func recordCommand(cmd *cobra.Command) {
	addSourceFlags(cmd)
	cmd.Flags().StringP("output", "o", "", "File to write; - is standard output")
	cmd.Flags().Duration("for", 30*time.Second, "How long to record")
	cmd.Flags().Int64("max-events", 100_000, "After how many messages to stop, counting copies")
	cmd.Flags().String("max-bytes", "256MiB", "After which size to stop, before gzip")
	cmd.Flags().Bool("raw", false, "Leave in all that messages hold, secrets included")
	cmd.RunE = runRecord
}

// recording is what `calltap record` was told to do.
type recording struct {
	file      string
	length    time.Duration
	maxEvents int64
	maxBytes  int64
	raw       bool
}

func runRecord(cmd *cobra.Command, args []string) error {
	cmd.SilenceUsage = true
	rec, err := recordingOf(cmd)
	if err != nil {
		return err
	}
	sources, c, err := sourcesOf(cmd, args)
	if err != nil {
		return err
	}
	if len(sources) > 1 {
		return fmt.Errorf("the configuration has %d sources: give the URL of the one to record from", len(sources))
	}
	t, err := sources[0].unstarted()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return rec.run(ctx, t, c, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

func recordingOf(cmd *cobra.Command) (rec recording, err error) {
	flags := cmd.Flags()
	rec.file, _ = flags.GetString("output")
	rec.length, _ = flags.GetDuration("for")
	rec.maxEvents, _ = flags.GetInt64("max-events")
	rec.raw, _ = flags.GetBool("raw")
	size, _ := flags.GetString("max-bytes")
	bytes, err := humanize.ParseBytes(size)
	switch {
	case rec.file == "":
		return rec, errors.New("-o is missing: where to?")
	case err != nil || bytes == 0 || bytes > 1<<40:
		return rec, fmt.Errorf("--max-bytes %q: want a size such as 64MiB", size)
	case rec.length <= 0 || rec.maxEvents <= 0:
		return rec, errors.New("--for and --max-events: want more than zero")
	}
	rec.maxBytes = int64(bytes)
	return rec, nil
}

// run records until a bound, or ctx, ends it. What was recorded until the connection was lost is kept, too.
func (rec recording) run(ctx context.Context, t *tap, c config.Config, stdout, errs io.Writer) error {
	var x *redactor
	if !rec.raw {
		rules, err := keyrules.Compile(c.Keys)
		if err != nil {
			return err
		}
		if x, err = newRedactor(rules.Needs().RPCArgs); err != nil {
			return err
		}
	}
	w, err := createCapture(rec.file, stdout)
	if err != nil {
		return err
	}
	lost, err := rec.fill(ctx, t, w, x, errs)
	if err != nil || w.lines == 0 {
		w.discard()
		return errors.Join(err, lost, rec.nothing(t, err, lost))
	}
	if err := w.finish(); err != nil {
		return err
	}
	rec.tell(w, x, errs)
	return lost
}

// nothing is the error of a recording without a message.
func (rec recording) nothing(t *tap, errs ...error) error {
	switch {
	case errors.Join(errs...) != nil:
		return nil
	case t.Mode == "mirror":
		return errors.New("nothing came: no message with these exchanges and keys was published")
	}
	return fmt.Errorf("nothing came: unless nothing uses this vhost the firehose is off: rabbitmqctl trace_on -p %s (on each node of a cluster)", quote(t.URI.Vhost))
}

func (rec recording) tell(w *captureWriter, x *redactor, errs io.Writer) {
	fmt.Fprintf(errs, "%s: %d events, %s", rec.file, w.lines, humanize.IBytes(uint64(w.bytes)))
	switch {
	case x == nil:
		fmt.Fprint(errs, ", with all that the messages hold: keep it like a password")
	case x.blanked > 0:
		fmt.Fprintf(errs, ", blanked; %d of them whole, since nothing less would do", x.blanked)
	default:
		fmt.Fprint(errs, ", blanked")
	}
	fmt.Fprintln(errs)
}

// fill writes what comes. lost is why it ended too early, err that there is no file.
func (rec recording) fill(ctx context.Context, t *tap, w *captureWriter, x *redactor, errs io.Writer) (lost, err error) {
	if err := t.findHarmless(ctx); err != nil {
		return nil, err
	}
	s, trouble := t.connect(ctx)
	if trouble != nil {
		return nil, trouble.explained(t.URI.Password)
	}
	defer s.close()
	fmt.Fprintf(errs, "recording the %s of %s for %s; Ctrl-C ends it\n", t.Mode, t.broker(), rec.length)
	end := time.NewTimer(rec.length)
	defer end.Stop()
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	a := acknowledger{s: s, every: uint64(max(1, min(ackEvery, t.Prefetch/2)))}
	defer a.ack()
	for w.lines < rec.maxEvents && w.bytes < rec.maxBytes {
		select {
		case d, ok := <-s.deliveries:
			if !ok {
				return s.consumer.ended().explained(t.URI.Password), nil
			}
			now := time.Now()
			l := t.captureOf(&d, now)
			if x != nil {
				x.redact(l)
			}
			if err := w.write(l); err != nil {
				return nil, fmt.Errorf("writing %s: %w", rec.file, err)
			}
			t.counters.lastEvent.Store(now.UnixMicro())
			a.took(d.DeliveryTag)
		case <-tick.C:
			a.ack()
		case <-end.C:
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
	return nil, nil
}

// findHarmless finds out which keys of a mirror may be bound, as a running tap's guard does.
func (t *tap) findHarmless(ctx context.Context) error {
	if t.Mode != "mirror" || t.AcceptChanges {
		return nil
	}
	api, err := t.newAPI()
	if err != nil {
		return err
	}
	defer api.Close()
	g := &guard{tap: t, api: api}
	g.askMirror(ctx)
	if len(t.health.mayBind()) == 0 {
		return errors.New("no key of the mirror can be bound without changing what the watched programs see: ask 'rabbitmq check' why, or accept it with accept_changes")
	}
	return nil
}

// acknowledger acknowledges in batches.
type acknowledger struct {
	s            *session
	every        uint64
	taken, acked uint64
}

func (a *acknowledger) took(tag uint64) {
	if a.taken = tag; tag-a.acked >= a.every {
		a.ack()
	}
}

// ack acknowledges all that was taken. Its error means that the session is over, as deliveries will tell.
func (a *acknowledger) ack() {
	if a.taken != a.acked {
		a.acked = a.taken
		_ = a.s.ch.Ack(a.taken, true)
	}
}
