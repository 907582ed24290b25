package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAVerdictIsNotTurnedRound(t *testing.T) {
	for _, c := range []struct {
		value float64
		goal  goal
		want  string
	}{
		{0.95, atLeast(0.9, ""), "pass"},
		{0.85, atLeast(0.9, ""), "miss"},
		{0.9, atLeast(0.9, ""), "pass"},
		{790, atMost(800, ""), "pass"},
		{810, atMost(800, ""), "miss"},
		{0, atMost(0, ""), "pass"},
		{1, atMost(0, ""), "miss"},
		{1, goal{}, "-"},
	} {
		require.Equal(t, c.want, figure{value: c.value, goal: c.goal}.verdict(), "%v %v", c.value, c.goal)
	}
}

func TestAFigureIsOneLine(t *testing.T) {
	var out strings.Builder
	b := &board{out: &out}
	b.add(figure{"http", "calltap / plain", 0.9571, "ratio", atLeast(0.9, "0.97"), "95% CI [0.93-0.98]"})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	require.Regexp(t, `^http\s+calltap / plain\s+0\.957\s+ratio\s+>= 0\.9 \(0\.97\)\s+pass\s+95% CI`, lines[1])
}

func TestTheIntervalHoldsTheTruthAndNotOutliers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 100)
	for i := range values {
		values[i] = 1 + 0.1*rng.NormFloat64()
	}
	values[7], values[8] = 40, 0.001 // two slices that another program spoilt
	e := medianCI(values, rng)
	require.InDelta(t, 1, e.median, 0.05)
	require.Less(t, e.low, e.median)
	require.Greater(t, e.high, e.median)
	require.Less(t, e.high-e.low, 0.15)
	require.Zero(t, medianCI(nil, rng))
}

func TestMedianLeavesItsArgumentInOrder(t *testing.T) {
	values := []float64{3, 1, 2, 10}
	require.Equal(t, 2.5, median(values))
	require.Equal(t, []float64{3, 1, 2, 10}, values)
}

func TestTheLoadCountsWhatTheUpstreamAnswered(t *testing.T) {
	up, err := startUpstream()
	require.NoError(t, err)
	defer up.close()
	port := up.listener.Addr().(*net.TCPAddr).Port
	l, err := dialLoad(port, 4, []byte(realisticRequest))
	require.NoError(t, err)
	defer l.close()
	n, took, err := l.run(50 * time.Millisecond)
	require.NoError(t, err)
	require.Greater(t, n, 4)
	require.GreaterOrEqual(t, took, 50*time.Millisecond)
	require.Equal(t, 8, strings.Count(realisticRequest, "\r\n")-2-1, "request line, host, end; the rest are headers")
}

func TestAnErrorPageIsNotAnAnswer(t *testing.T) {
	_, err := answerLength([]byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"))
	require.Error(t, err)
	_, err = answerLength([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	require.Error(t, err)
	n, err := answerLength([]byte("HTTP/1.1 200 OK\r\nContent-Le"))
	require.NoError(t, err)
	require.Equal(t, -1, n)
	n, err = answerLength([]byte(upstreamAnswer))
	require.NoError(t, err)
	require.Equal(t, len(upstreamAnswer), n)
}

func TestSpansAreCountedAsTheSendersWriteThem(t *testing.T) {
	require.Equal(t, 2, zipkinSpans([]byte(`[{"traceId":"1","tags":{"x":"traceId"}},{"traceId":"2"}]`)))

	spans := field(2, append(field(2, []byte("\x0a\x01a")), field(2, []byte("\x0a\x01b"))...))
	request := field(1, append(field(1, []byte("resource")), spans...))
	require.Equal(t, 2, otlpSpans(request))
	for cut := range request {
		otlpSpans(request[:cut]) // a torn body is no panic
	}
}

// field is a length-delimited protobuf field of a short value.
func field(number int, value []byte) []byte {
	return append([]byte{byte(number<<3 | 2), byte(len(value))}, value...)
}

func TestEveryRepetitionIsANewBoot(t *testing.T) {
	boot, err := readBoot()
	require.NoError(t, err)
	require.Len(t, boot, 29)
	calls := 0
	for i := range boot {
		m := &boot[i]
		require.NotEmpty(t, m.at, "message %d has no id", i)
		one, two := m.stamp(1), m.stamp(2)
		require.NotEqual(t, one, two)
		require.Len(t, one, len(m.Body))
		var envelope struct {
			Message string `json:"oslo.message"`
		}
		require.NoError(t, json.Unmarshal(two, &envelope))
		require.True(t, json.Valid([]byte(envelope.Message)))
		var inner struct {
			ID     string `json:"_msg_id"`
			Unique string `json:"_unique_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(envelope.Message), &inner))
		require.True(t, strings.HasPrefix(inner.Unique, "00000002"))
		if m.Exchange != "" && inner.ID != "" {
			calls++
			require.True(t, strings.HasPrefix(inner.ID, "00000002"))
		}
	}
	require.Equal(t, 13, calls)
}

func TestTheRecordedMessagesHoldNoSecret(t *testing.T) {
	text, err := os.ReadFile("testdata/nova-boot.jsonl")
	require.NoError(t, err)
	secrets := regexp.MustCompile(`(?i)(?:auth_token|admin_pass(?:word)?)[\\"]+: [\\"]*([^\\",]+)`)
	found := secrets.FindAllSubmatch(text, -1)
	require.NotEmpty(t, found)
	for _, m := range found {
		require.Regexp(t, `^(x+|null)$`, string(m[1]))
	}
}

func TestASubjectsClockIsItsOwn(t *testing.T) {
	p, err := start(t.TempDir(), "busy", nil, "/bin/sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read x")
	require.NoError(t, err)
	defer p.stop()
	require.NoError(t, until(t.Context(), 20*time.Second, "the loop", func() bool { return strings.Contains(p.output(), "done") }))
	used := p.cpu()
	require.Greater(t, used, time.Millisecond)
	require.NoError(t, p.rest(t.Context(), 10*time.Second))
	require.Less(t, p.cpu()-used, 50*time.Millisecond)
	require.Positive(t, p.rss())
	require.GreaterOrEqual(t, p.peakRSS(), p.rss())
}

func TestAFrozenSubjectTakesNoTime(t *testing.T) {
	p, err := start(t.TempDir(), "spin", nil, "/bin/sh", "-c", "while :; do :; done")
	require.NoError(t, err)
	defer p.stop()
	require.NoError(t, until(t.Context(), 10*time.Second, "some work", func() bool { return p.cpu() > 5*time.Millisecond }))
	p.freeze()
	require.NoError(t, p.rest(t.Context(), 10*time.Second))
	before := p.cpu()
	require.NoError(t, pause(t.Context(), 100*time.Millisecond))
	require.Equal(t, before, p.cpu())
	p.thaw()
	require.NoError(t, until(t.Context(), 10*time.Second, "more work", func() bool { return p.cpu() > before }))
}

func TestTheBooksAreReadFromTheStatusPage(t *testing.T) {
	var page status
	require.NoError(t, json.Unmarshal([]byte(`{"pipeline":{"accepted":20,"emitters":[
		{"name":"statsd","accepted":10,"emitted":10,"dropped":{}},
		{"name":"zipkin","accepted":10,"emitted":4,"queued":3,"dropped":{"queue_full":2,"shutdown":1}}]},
		"sources":[{"source":"rabbitmq","status":{"pairer":{"open":7}}}]}`), &page))
	z := page.Pipeline.of("zipkin")
	require.Equal(t, int64(3), z.droppedSum())
	require.Equal(t, z.Accepted, z.Emitted+z.Queued+z.droppedSum())
	require.Zero(t, page.Pipeline.of("log").Accepted)
	require.Equal(t, int64(7), page.open())
}

func TestTracingOffIsComparedWithNothing(t *testing.T) {
	var out strings.Builder
	r := &rig{board: &board{out: &out}, rng: rand.New(rand.NewPCG(1, 1))}
	ways := tracings()
	for i, w := range ways {
		w.cpu, w.p50 = []float64{float64(i + 1)}, []float64{float64(i + 1)}
	}
	r.reportBroker(ways)
	require.Equal(t, 6, strings.Count(out.String(), " / off "), out.String())
	require.NotContains(t, out.String(), ways[0].name+", p50 of a call / off")
	require.NotContains(t, out.String(), ways[0].name+", broker's CPU a call / off")
}
