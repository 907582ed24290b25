package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// digestServer answers the SHA-256 of the body it got.
func digestServer(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		fmt.Fprint(w, hex.EncodeToString(sum.Sum(nil)))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// generous lets more headers in than Caddy does by default, so that they reach calltap.
var generous = strings.Replace(httpOnly, "persist_config off", "persist_config off\n\tservers {\n\t\tmax_header_size 1MB\n\t}", 1)

func TestHostileRequestsAreServedLikeAnyOther(t *testing.T) {
	l := theLab(t)
	options := l.options()
	options["API"] = digestServer(t)
	c := start(t, generous, options)
	deep := strings.Repeat(`{"a":[`, 500_000)
	huge := `{"reboot": "` + strings.Repeat("x", 16<<20) + `"}`
	bodies := map[string]string{
		"no JSON": "}{", "deep": deep, "huge": huge, "empty": "", "huge key": `{"` + huge[12:] + `": 1}`,
		"no UTF-8": "{\"\xff\xfe\": 1}", "a string": `"reboot"`,
	}
	for name, body := range bodies {
		a := do(t, c, "POST", "/v2.1/servers/7/action", body)
		sum := sha256.Sum256([]byte(body))
		require.Equal(t, hex.EncodeToString(sum[:]), a.Body, "the body must arrive as it was sent: %s", name)
	}
	for n := range 65 {
		for _, fill := range []string{"a", "-", "0", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-00f067aa0ba902b7"} {
			for _, header := range []string{"b3", "traceparent", "X-B3-TraceId", "X-OpenStack-Request-ID"} {
				value := strings.Repeat(fill, 65)[:n]
				require.Equal(t, 200, do(t, c, "GET", "/", "", header, value).Status, "%s: %s", header, value)
			}
		}
	}
	require.Equal(t, 200, rawRequest(t, c, manyHeaders(8192)))
	requireBalance(t, c)
}

// manyHeaders is a request with n header fields, a b3 field among them a thousand times.
func manyHeaders(n int) string {
	var b strings.Builder
	b.WriteString("GET /v2.1/servers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
	for i := range n {
		if i%8 == 0 {
			b.WriteString("b3: 0\r\n")
		} else {
			fmt.Fprintf(&b, "h%d: v\r\n", i)
		}
	}
	return b.String() + "\r\n"
}

func rawRequest(t *testing.T, c *harness.Calltap, text string) int {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.HTTP))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// forged is a StatsD line that an attacker hides in what becomes a metric's name.
const forged = "x:1|c\nforged-metric:1|c\n#forged@0.1|g"

func TestNoOneForgesMetricsAtTheRealStatsD(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	counters, err := l.statsd.Counters()
	require.NoError(t, err)
	bad := counters["statsd.bad_lines_seen"]

	path := "/v2.1/" + strings.NewReplacer("\n", "%0A", "|", "%7C", "#", "%23").Replace(forged)
	require.Equal(t, 404, do(t, c, "GET", path, "").Status)
	broker := dialBroker(t, l)
	broker.publish(t, "nova", "compute", oslo(map[string]any{"method": forged, "_unique_id": newTraceID()}), nil)
	broker.publish(t, "nova", "compute", oslo(map[string]any{"method": "ping", "namespace": forged, "_unique_id": newTraceID()}), nil)
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers/7", "").Status)
	requireTimer(t, l, "nova.compute.get_instance", 1) // so all before it is there too
	harness.Eventually(t, patience, func() error {
		return atLeast(l, service(t)+".nova.compute.", ".sent", 2)
	})

	counters, err = l.statsd.Counters()
	require.NoError(t, err)
	timers, err := l.statsd.Timers()
	require.NoError(t, err)
	require.Equal(t, bad, counters["statsd.bad_lines_seen"])
	safe := regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	check := func(name string) {
		require.Regexp(t, safe, name)
		require.False(t, strings.HasPrefix(name, "forged") || strings.HasPrefix(name, "#"), name)
	}
	for name := range counters {
		check(name)
	}
	for name := range timers {
		check(name)
	}
}

// atLeast checks that counters with this beginning and end sum up to n or more.
func atLeast(l *lab, prefix, suffix string, n float64) error {
	counters, err := l.statsd.Counters()
	if err != nil {
		return err
	}
	sum := 0.0
	for name, v := range counters {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			sum += v
		}
	}
	if sum < n {
		return fmt.Errorf("counters %s*%s sum up to %v, want %v", prefix, suffix, sum, n)
	}
	return nil
}

func TestTheTapSurvivesHostileMessages(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	broker := dialBroker(t, l)
	headers := amqp.Table{}
	for i := range 6000 { // as many as fit into a frame of 128 KiB, the copy's own headers included
		headers[fmt.Sprintf("h%d", i)] = int32(i)
	}
	nested := amqp.Table{"b3": "x"}
	for range 25 { // the client library refuses more
		nested = amqp.Table{"t": nested}
	}
	deep := strings.Repeat(`{\"a\":[`, 50_000)
	bodies := []string{
		"", "}{", "null", `{"oslo.version": "2.0", "oslo.message": `, `{"oslo.version": "2.0", "oslo.message": "` + deep + `"}`,
		`{"oslo.version": "2.0", "oslo.message": "{\"method\": \"` + strings.Repeat("m", 1<<20) + `\"}"}`,
		`{"oslo.version": "2.0", "oslo.message": "{\"method\": {}, \"_msg_id\": [], \"_reply_q\": 7}"}`,
		`{"oslo.version": "2.0", "oslo.message": "\ud800{\"_context_global_request_id\": \"req-\"}"}`,
		strings.Repeat("[", 16<<20),
	}
	for _, body := range bodies {
		for _, table := range []amqp.Table{nil, headers, nested, {"b3": strings.Repeat("a", 40)}, {"traceparent": amqp.Table{}}} {
			broker.publish(t, "", broker.queue, body, table)
		}
	}
	awaitTap(t, c) // the broker may have thrown it out: then it comes back by itself
	requireWholeTrace(t, l, c)
	requireBalance(t, c)

	s, err := c.Status()
	require.NoError(t, err)
	tap := s.Sources[0].Status
	require.Zero(t, tap["panics"])
	require.Positive(t, tap["bad_trace_headers"], "%v", tap)
	counts := fmt.Sprint(tap["dialects"])
	for _, reason := range []string{"bad_json", "bad_field", "too_deep", "too_large"} {
		require.Contains(t, counts, reason)
	}
}

// peer is a program on the broker that means no good, with a queue of its own that nobody reads.
type peer struct {
	channel *amqp.Channel
	queue   string
}

func dialBroker(t *testing.T, l *lab) peer {
	t.Helper()
	conn, err := amqp.Dial(l.broker.URL())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	channel, err := conn.Channel()
	require.NoError(t, err)
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	require.NoError(t, err)
	require.NoError(t, channel.Confirm(false))
	return peer{channel, queue.Name}
}

// publish sends a request that wants a reply and waits until the broker has it.
func (p peer) publish(t *testing.T, exchange, key, body string, headers amqp.Table) {
	t.Helper()
	done, err := p.channel.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, false, false, amqp.Publishing{
		ReplyTo: p.queue, CorrelationId: newTraceID(), Headers: headers, Body: []byte(body),
	})
	require.NoError(t, err)
	ok, err := done.WaitContext(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
}

// oslo wraps a message as oslo.messaging does: JSON in a string in JSON.
func oslo(message map[string]any) string {
	inner, _ := json.Marshal(message)
	var outer bytes.Buffer
	_ = json.NewEncoder(&outer).Encode(map[string]string{"oslo.version": "2.0", "oslo.message": string(inner)})
	return outer.String()
}
