package amqptap

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/internal/config"
	"github.com/calltap/calltap/spanbuilder"
)

const novaBoot = "dialect/testdata/nova-boot.jsonl"

// line is a capture's line of one plain message.
func line(ts, routingKey, key, replyTo, id, body string) string {
	b, err := json.Marshal(map[string]any{
		"ts": json.Number(ts), "routing_key": routingKey, "body_b64": []byte(body),
		"headers": map[string]any{"exchange_name": "", "routing_keys": []string{key}, "vhost": "/", "connection": "c" + routingKey,
			"properties": map[string]any{"reply_to": replyTo, "correlation_id": id}},
	})
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// oneCall is a whole call, its four messages in order.
func oneCall() string {
	return line("100.000001", "publish.", "add", "amq.gen-1", "7", `{"method": "sum"}`) +
		line("100.000011", "deliver.add", "add", "amq.gen-1", "7", `{"method": "sum"}`) +
		line("100.000111", "publish.", "amq.gen-1", "", "7", "3") +
		line("100.001111", "deliver.amq.gen-1", "amq.gen-1", "", "7", "3")
}

type zipkinSpan struct {
	TraceID, ID, ParentID, Kind, Name string
	Timestamp, Duration               int64
	Tags                              map[string]string
}

func replayed(t *testing.T, c config.Config, capture string) (spans []zipkinSpan, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = replay("FILE", strings.NewReader(capture), c, &out, &errs)
	for l := range strings.Lines(out.String()) {
		var s zipkinSpan
		require.NoError(t, json.Unmarshal([]byte(l), &s), l)
		spans = append(spans, s)
	}
	return spans, errs.String(), err
}

func TestReplayUsesTheRecordedClock(t *testing.T) {
	spans, stderr, err := replayed(t, defaultReplay(), oneCall())
	require.NoError(t, err)
	require.Len(t, spans, 2)
	byKind := map[string]zipkinSpan{}
	for _, s := range spans {
		require.Equal(t, "sum", s.Name)
		byKind[s.Kind] = s
	}
	client, server := byKind["CLIENT"], byKind["SERVER"]
	require.EqualValues(t, 100_000_001, client.Timestamp)
	require.EqualValues(t, 1110, client.Duration)
	require.EqualValues(t, 100_000_011, server.Timestamp)
	require.EqualValues(t, 100, server.Duration)
	require.Equal(t, client.TraceID, server.TraceID)
	require.Equal(t, "FILE: 4 events, 2 spans, 0 bad lines, 0 unreadable bodies, 0 unrecognised messages\n", stderr)
}

func TestReplayIsCompleteAtTheEndOfTheFile(t *testing.T) {
	lines := strings.SplitAfter(oneCall(), "\n")
	spans, _, err := replayed(t, defaultReplay(), lines[0]+strings.TrimSuffix(lines[1], "\n"))
	require.NoError(t, err)
	require.NotEmpty(t, spans, "the open call is printed, marked as unfinished")
}

func TestReplayIsTheSameEachTime(t *testing.T) {
	capture, err := os.ReadFile(novaBoot)
	require.NoError(t, err)
	var first, second bytes.Buffer
	require.NoError(t, replay("a", bytes.NewReader(capture), defaultReplay(), &first, io.Discard))
	require.NoError(t, replay("b", bytes.NewReader(capture), defaultReplay(), &second, io.Discard))
	require.Equal(t, first.String(), second.String())
	require.Equal(t, 32, strings.Count(first.String(), "\n"), "13 calls, 3 casts, two spans each")
	require.NotContains(t, first.String(), "xxxxx", "a blanked secret reached a span")
}

func TestABadLineIsToldAndPassedOver(t *testing.T) {
	good := strings.SplitAfter(oneCall(), "\n")
	secret := "hunter2"
	bad := []string{
		"{\"ts\": " + secret + "}\n",
		"[]\n",
		`{"ts": "` + secret + `"}` + "\n",
		`{"routing_key": "publish.x", "headers": {"properties": {}}}` + "\n",
		`{"ts": -1, "routing_key": "publish.x", "headers": {"properties": {}}}` + "\n",
		`{"ts": 1e300, "routing_key": "publish.x", "headers": {"properties": {}}}` + "\n",
		`{"ts": 1, "routing_key": "` + secret + `", "headers": {"properties": {}}}` + "\n",
		`{"ts": 1, "routing_key": "publish.x", "headers": {}}` + "\n",
		`{"ts": 1, "routing_key": "publish.x", "headers": {"properties": {}}, "body_b64": "` + secret + `!"}` + "\n",
	}
	capture := good[0] + "\n \n" + strings.Join(bad, "") + good[1] + good[2] + good[3]
	spans, stderr, err := replayed(t, defaultReplay(), capture)
	require.NoError(t, err)
	require.Len(t, spans, 2)
	for i := range bad {
		require.Contains(t, stderr, fmt.Sprintf("FILE:%d: ", 4+i))
	}
	require.NotContains(t, stderr, secret)
	require.Contains(t, stderr, "4 events, 2 spans, 9 bad lines")
}

func TestNothingThatCanBeReadIsAnError(t *testing.T) {
	_, _, err := replayed(t, defaultReplay(), "x\ny\n")
	require.EqualError(t, err, "FILE has no line that can be replayed")
	_, _, err = replayed(t, defaultReplay(), "")
	require.NoError(t, err, "an empty capture is a capture")
}

func TestALineWithoutEndIsNotKept(t *testing.T) {
	endless := io.MultiReader(io.LimitReader(repeat('x'), maxLine+2), strings.NewReader("\n"+oneCall()))
	var out, errs bytes.Buffer
	require.NoError(t, replay("FILE", endless, defaultReplay(), &out, &errs))
	require.Contains(t, errs.String(), "FILE:1: line is longer than 64 MiB")
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestReplayStopsWhenNobodyReads(t *testing.T) {
	err := replay("FILE", io.MultiReader(strings.NewReader(oneCall()), strings.NewReader(oneCall())), defaultReplay(), broken{}, io.Discard)
	require.ErrorContains(t, err, "writing: closed")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestMicrosecondsAreRoundedOnce(t *testing.T) {
	for _, seconds := range []float64{1795192746.2378607, 1795192746.2378605, 1795192746.1, 1795192746, 0.0000015, 0.0000025, 4294967295.9999995, 1795192746.999999761581} {
		exact, _ := new(big.Float).SetFloat64(seconds).Rat(nil)
		exact.Mul(exact, big.NewRat(1_000_000, 1))
		want := roundHalfUp(exact)
		got, ok := micros(seconds)
		require.True(t, ok)
		require.Equal(t, want, got, "%.9f", seconds)
	}
	for _, seconds := range []float64{0, -1, 1 << 40, 1e-9} {
		_, ok := micros(seconds)
		require.False(t, ok, "%g", seconds)
	}
}

func roundHalfUp(r *big.Rat) int64 {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return new(big.Int).Div(r.Num(), r.Denom()).Int64()
}

func TestReplayTakesKeysAndLinkFromTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"apps": {"calltap": {"sample": 0, "keys": {"rules": [{"kind": "rpc", "rpc_method": "sum", "key": "my.key"}]}}}}`), 0o600))
	capture := filepath.Join(dir, "capture.jsonl")
	require.NoError(t, os.WriteFile(capture, []byte(oneCall()), 0o600))

	out, _, err := command(t, "", "--config", config, capture)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, `"calltap.key":"my.key"`))

	out, _, err = command(t, oneCall(), "-")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, `"calltap.key":`))

	for _, c := range []struct {
		config, want string
	}{
		{`{"apps": {}}`, "config.json: the configuration has no calltap block"},
		{`{`, "config.json: reading the configuration: unexpected end of JSON input"},
		{`{"apps": {"calltap": {"link": "x"}}}`, `unknown link "x", known is: openstack`},
	} {
		require.NoError(t, os.WriteFile(config, []byte(c.config), 0o600))
		_, _, err = command(t, "", "--config", config, capture)
		require.ErrorContains(t, err, c.want)
	}
	_, _, err = command(t, "", "--config", config, "--adapter", "nonsense", capture)
	require.ErrorContains(t, err, `unknown configuration adapter "nonsense"`)
	_, _, err = command(t, "", "--adapter", "json", capture)
	require.ErrorContains(t, err, "without --config")
	_, _, err = command(t, "", filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// command runs the replay command as registered.
func command(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := &cobra.Command{Use: "replay", SilenceErrors: true}
	replayCommand(cmd)
	var out, errs bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

// FuzzCapture proves that no line, however broken, stops or harms the reading of the next.
func FuzzCapture(f *testing.F) {
	capture, err := os.ReadFile(novaBoot)
	require.NoError(f, err)
	f.Add(capture[:bytes.IndexByte(capture, '\n')])
	f.Add([]byte(oneCall()))
	f.Add([]byte(`{"ts": 1, "routing_key": "deliver.q", "headers": {"properties": {"headers": {"b3": 1}}, "redelivered": 1, "routing_keys": [[]]}, "body_b64": "` +
		base64.StdEncoding.EncodeToString([]byte(`{"method":"m"}`)) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := newCaptureReader(bytes.NewReader(append(append(data, '\n'), oneCall()...)))
		set, err := dialect.NewSet(dialect.Limits{})
		require.NoError(t, err)
		var r dialect.Record
		var m spanbuilder.Message
		good := 0
		for {
			bad, err := in.next(&r)
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
			if bad == nil {
				good++
				require.Positive(t, r.Time)
				set.Decode(&r, &m)
			}
		}
		require.GreaterOrEqual(t, good, 4)
		require.Equal(t, "deliver.amq.gen-1", "deliver."+r.Queue)
	})
}
