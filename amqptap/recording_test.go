package amqptap

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
)

// recordWith runs the record command as registered, while during does something to be recorded.
func recordWith(t *testing.T, during func(), args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := &cobra.Command{Use: "record", SilenceErrors: true}
	recordCommand(cmd)
	var out bytes.Buffer
	cmd.SetOut(&out)
	began, errs := make(chan struct{}), &signalling{word: "recording", seen: make(chan struct{})}
	cmd.SetErr(errs)
	cmd.SetArgs(args)
	go func() {
		defer close(began)
		<-errs.seen
		during()
	}()
	err = cmd.ExecuteContext(t.Context())
	errs.Write([]byte("recording")) // if it failed before
	<-began
	return out.String(), errs.String(), err
}

// signalling is a buffer that tells when a word was written to it.
type signalling struct {
	bytes.Buffer
	word string
	seen chan struct{}
}

func (s *signalling) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	select {
	case <-s.seen:
	default:
		if strings.Contains(s.String(), s.word) {
			close(s.seen)
		}
	}
	return n, err
}

func TestARecordingReplaysToWhatHappened(t *testing.T) {
	node := broker(t)
	for _, name := range []string{"calls.jsonl", "calls.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name)
			server, c := dial(t, node.URL()), dial(t, node.URL())
			queue := "q." + strings.ReplaceAll(t.Name(), "/", ".")
			server.serve(queue)
			_, stderr, err := recordWith(t, func() { c.call(queue, "recorded", 5) }, node.URL(), "-o", file, "--max-events", "20", "--for", "2m")
			require.NoError(t, err, stderr)
			require.Contains(t, stderr, ": 20 events, ")
			require.NotContains(t, stderr, "guest:guest")

			info, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
			entries, err := os.ReadDir(filepath.Dir(file))
			require.NoError(t, err)
			require.Len(t, entries, 1, "something was left beside it")
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, strings.HasSuffix(name, ".gz"), bytes.HasPrefix(content, []byte{0x1f, 0x8b}))

			out, stderr, err := command(t, "", file)
			require.NoError(t, err)
			require.Contains(t, stderr, "20 events, 10 spans, 0 bad lines")
			require.Equal(t, 10, strings.Count(out, `"name":"recorded"`))
			require.NotContains(t, out, "error")

			again, _, err := command(t, string(content), "-")
			require.NoError(t, err)
			require.Equal(t, out, again, "from standard input")
		})
	}
}

func TestSecretsAreInARawRecordingOnly(t *testing.T) {
	node := broker(t)
	for flag, want := range map[string]bool{"--raw": true, "--raw=false": false} {
		c := dial(t, node.URL())
		q := c.queue("")
		out, stderr, err := recordWith(t, func() {
			c.publish("", q, amqp.Publishing{Body: []byte(`{"method": "m", "password": "hunter-two"}`), Headers: amqp.Table{"token": "hunter-two"}})
		}, node.URL(), "-o", "-", "--max-events", "1", "--for", "2m", flag)
		require.NoError(t, err, stderr)
		l, err := decodeLine([]byte(out))
		require.NoError(t, err)
		require.Contains(t, string(l.Body), `"method": "m"`)
		require.Equal(t, want, strings.Contains(string(l.Body)+out, "hunter-two"), out)
		require.Equal(t, want, strings.Contains(stderr, "keep it like a password"))
	}
}

func TestARecordingOfNothingIsNoFile(t *testing.T) {
	node := broker(t)
	node.AddVHost(t, "silent", false)
	file := filepath.Join(t.TempDir(), "none.jsonl")
	_, _, err := recordWith(t, func() {}, node.URL()+"silent", "-o", file, "--for", "300ms")
	require.ErrorContains(t, err, "rabbitmqctl trace_on -p 'silent'")
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NotContains(t, node.Ctl(t, "list_queues", "-p", "silent", "name"), "tap.", "a queue was left")
}

func TestMirroredMessagesAreRecordedAsWhatTheyAre(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	require.NoError(t, c.ch.ExchangeDeclare("recorded", "topic", false, true, false, false, nil))
	config := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"apps": {"calltap": {"sources": [{"source": "rabbitmq", "url": "`+node.URL()+`", "accept_changes": true,
		"mirror": [{"exchange": "recorded", "keys": ["#"]}]}]}}}`), 0o600))
	out, stderr, err := recordWith(t, func() {
		c.publish("recorded", "conductor", amqp.Publishing{ReplyTo: "reply_1", CorrelationId: "c1", Body: []byte(`{"method": "m"}`)})
	}, "--config", config, "-o", "-", "--max-events", "1", "--for", "2m")
	require.NoError(t, err, stderr)
	spans, _, err := command(t, out, "-")
	require.NoError(t, err)
	require.Contains(t, spans, `"calltap.mode":"mirror"`)
	require.Contains(t, spans, `"amqp.routing_key":"conductor"`)

	require.NoError(t, os.WriteFile(config, []byte(`{"apps": {"calltap": {"sources": [{"source": "rabbitmq", "url": "`+node.URL()+`", "management": "`+node.Management()+`",
		"mirror": [{"exchange": "recorded", "keys": ["#"]}]}]}}}`), 0o600))
	_, _, err = recordWith(t, func() {}, "--config", config, "-o", "-", "--for", "1s")
	require.ErrorContains(t, err, "accept_changes", "it bound what a tap would not")
}

func TestRecordingToldWrongThings(t *testing.T) {
	for want, args := range map[string][]string{
		"-o is missing":                  {"amqp://127.0.0.1/"},
		"--max-bytes \"x\"":              {"amqp://127.0.0.1/", "-o", "-", "--max-bytes", "x"},
		"want more than zero":            {"amqp://127.0.0.1/", "-o", "-", "--for", "0s"},
		"no broker":                      {"-o", "-"},
		"begins with \"http://\"":        {"http://127.0.0.1/", "-o", "-"},
		"connection refused":             {"amqp://127.0.0.1:1/", "-o", "-"},
		"no such file or directory":      {"amqp://127.0.0.1:1/", "-o", filepath.Join(t.TempDir(), "no", "where")},
		"{env.CALLTAP_NO_SUCH_VARIABLE}": {"amqp://tap:{env.CALLTAP_NO_SUCH_VARIABLE}@127.0.0.1/", "-o", "-"},
	} {
		_, _, err := recordWith(t, func() {}, args...)
		require.ErrorContains(t, err, want)
	}
}

func TestCtrlCKeepsWhatWasRecorded(t *testing.T) {
	node := broker(t)
	c := dial(t, node.URL())
	q := c.queue("")
	file := filepath.Join(t.TempDir(), "part.jsonl")
	s := &Source{URL: node.URL()}
	require.NoError(t, s.ready())
	tap, err := s.unstarted()
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	errs := &signalling{word: "recording", seen: make(chan struct{})}
	go func() {
		<-errs.seen
		c.publish("", q, amqp.Publishing{Body: []byte("1")})
		for tap.counters.lastEvent.Load() == 0 && ctx.Err() == nil {
			runtime.Gosched()
		}
		stop()
	}()
	rec := recording{file: file, length: time.Minute, maxEvents: 100, maxBytes: 1 << 20}
	require.NoError(t, rec.run(ctx, tap, defaultReplay(), io.Discard, errs))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(content), `"routing_key":"publish."`)
}

// A capture of hundreds of MB is read as it is replayed, zipped or not.
func TestALargeCaptureStreams(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		z := gzip.NewWriter(w)
		for range 2000 {
			_, _ = io.WriteString(z, oneCall())
		}
		_ = z.Flush()
		<-t.Context().Done() // the end never comes
		w.Close()
	}()
	in, err := unpacked(r)
	require.NoError(t, err)
	lines := newCaptureReader(in)
	var record dialect.Record
	for range 8000 {
		bad, err := lines.next(&record)
		require.NoError(t, errors.Join(bad, err))
	}
	require.NoError(t, r.Close())
}
