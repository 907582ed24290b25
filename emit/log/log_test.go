package log

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ emit.Emitter = (*Emitter)(nil)

func spans(n int) []span.Span {
	out := make([]span.Span, n)
	for i := range out {
		out[i] = span.Span{
			TraceID: span.TraceID{Low: 1}, ID: span.ID(i + 1), Start: 1_790_000_000_000_000,
			Name: "line\nbreak", Sampled: true,
		}
	}
	return out
}

func ids(t *testing.T, data []byte) (out []int) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		var m model.SpanModel
		require.NoError(t, json.Unmarshal(line, &m), "%q", line)
		out = append(out, int(m.ID))
	}
	return out
}

func TestOneSpanIsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	require.NoError(t, os.WriteFile(path, spans(1)[0].AppendJSON(nil), 0o600))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, _ = f.WriteString("\n")
	require.NoError(t, f.Close())

	e, err := New(Config{Output: path})
	require.NoError(t, err)
	require.Equal(t, emit.Outcome{Emitted: 3000}, e.Emit(context.Background(), spans(3000)))
	require.NoError(t, e.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	got := ids(t, data)
	require.Len(t, got, 3001, "appended to what was there")
	require.Equal(t, 3000, got[3000])
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	e, err := New(Config{Output: path})
	require.NoError(t, err)
	defer e.Close()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestRotatedFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spans.jsonl")
	e, err := New(Config{Output: path})
	require.NoError(t, err)
	defer e.Close()
	require.Equal(t, 1, e.Emit(context.Background(), spans(1)).Emitted)
	require.NoError(t, os.Rename(path, path+".1"))
	require.Equal(t, 2, e.Emit(context.Background(), spans(2)).Emitted)
	require.NoError(t, os.Remove(path))
	require.Equal(t, 3, e.Emit(context.Background(), spans(3)).Emitted)

	old, _ := os.ReadFile(path + ".1")
	require.Len(t, ids(t, old), 1)
	now, _ := os.ReadFile(path)
	require.Len(t, ids(t, now), 3)
}

func TestDirectoryThatVanishedIsCountedAndFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	e, err := New(Config{Output: filepath.Join(dir, "spans.jsonl")})
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, os.RemoveAll(dir))
	out := e.Emit(context.Background(), spans(4))
	require.Equal(t, map[string]int{DroppedWrite: 4}, out.Dropped)
	require.Error(t, out.Err)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.Equal(t, 4, e.Emit(context.Background(), spans(4)).Emitted)
}

// disk is full after so many bytes.
type disk struct {
	bytes.Buffer
	room int
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func TestFullDiskLosesCountedLinesAndTearsNoneThatFollow(t *testing.T) {
	line := len(spans(1)[0].AppendJSON(nil)) + 1
	for room := 0; room <= 4*line; room++ {
		d := &disk{room: room}
		e := &Emitter{out: d}
		out := e.Emit(context.Background(), spans(3))
		require.Equal(t, 3, out.Emitted+out.Dropped[DroppedWrite])
		require.Equal(t, min(3, (room+1)/line), out.Emitted)
		if room >= 3*line {
			require.NoError(t, out.Err)
			continue
		}
		require.Error(t, out.Err)
		require.Zero(t, e.Emit(context.Background(), spans(3)).Emitted, "still full")
		d.room = 1 << 20
		require.Equal(t, 3, e.Emit(context.Background(), spans(3)).Emitted)
		whole := 0
		for _, l := range bytes.Split(d.Bytes(), []byte("\n")) {
			if json.Valid(l) {
				whole++
			}
		}
		require.Equal(t, out.Emitted+3, whole, "room for %d bytes", room)
	}
}

func TestWrongConfigIsTold(t *testing.T) {
	for want, c := range map[string]Config{
		"no output": {}, "zero byte": {Output: "a\x00b"}, "is a directory": {Output: "/tmp/"},
	} {
		require.ErrorContains(t, c.Validate(), want)
		_, err := New(c)
		require.Error(t, err)
	}
	_, err := New(Config{Output: filepath.Join(t.TempDir(), "no", "such", "dir")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStandardStreamsAreNotClosed(t *testing.T) {
	for _, output := range []string{"stdout", "stderr"} {
		e, err := New(Config{Output: output})
		require.NoError(t, err)
		require.NoError(t, e.Close())
	}
	_, err := os.Stdout.Stat()
	require.NoError(t, err)
}
