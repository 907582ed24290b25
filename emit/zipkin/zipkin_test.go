package zipkin

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is a Zipkin as seen from outside: it decodes what is posted with zipkin-go's own types and
// answers as the test says.
type collector struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, try int) // nil: 202

	mu      sync.Mutex
	tries   int
	spans   []model.SpanModel
	headers []http.Header
	sizes   []int
}

func newCollector(t *testing.T, answer func(http.ResponseWriter, *http.Request, int)) *collector {
	c := &collector{answer: answer}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.tries++
	try := c.tries
	c.headers = append(c.headers, r.Header.Clone())
	c.mu.Unlock()
	if c.answer != nil {
		rec := &status{ResponseWriter: w}
		c.answer(rec, r, try)
		if rec.code != 0 {
			return
		}
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	data, err := io.ReadAll(body)
	var spans []model.SpanModel
	if err == nil {
		err = json.Unmarshal(data, &spans)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.spans = append(c.spans, spans...)
	c.sizes = append(c.sizes, len(data))
	c.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

func (c *collector) stored() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.spans)
}

// emitter makes an emitter for a test server, with short pauses.
func emitter(t *testing.T, c Config) *Emitter {
	e, err := New(c)
	require.NoError(t, err)
	e.back = backoff{first: time.Millisecond, most: 5 * time.Millisecond}
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func spans(n int) []span.Span {
	out := make([]span.Span, n)
	for i := range out {
		out[i] = span.Span{
			TraceID: span.TraceID{High: 7, Low: uint64(i + 1)}, ID: span.ID(i + 1), Kind: span.KindServer, Sampled: true,
			Start: 1_790_000_000_000_000, Duration: 5, Name: "GET /", Key: "nova.api.servers.GET",
			Local: span.Endpoint{Service: "nova-api"},
		}
	}
	return out
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestSpansArrive(t *testing.T) {
	for _, compression := range []string{"auto", "gzip", "none"} {
		c := newCollector(t, nil)
		e := emitter(t, Config{URL: c.URL + "/api/v2/spans", Compression: compression, Header: map[string]string{"X-Tenant": "a"}})
		for range 3 {
			require.Equal(t, emit.Outcome{Emitted: 10, Dropped: map[string]int{}}, e.Emit(soon(t), spans(10)))
		}
		require.Len(t, c.spans, 30)
		require.EqualValues(t, 10, c.spans[29].ID)
		require.Equal(t, "nova.api.servers.GET", c.spans[0].Tags["calltap.key"])
		h := c.headers[0]
		require.Equal(t, "application/json", h.Get("Content-Type"))
		require.Equal(t, "0", h.Get("b3"), "the sending of spans must not be traced")
		require.Equal(t, "a", h.Get("X-Tenant"))
		require.Equal(t, compression == "gzip", h.Get("Content-Encoding") == "gzip")
		require.NoError(t, e.Trouble())
	}
}

func TestAnswersThatMayPassAreRetriedUntilNothingIsLost(t *testing.T) {
	for _, code := range []int{408, 429, 500, 502, 503, 504} {
		c := newCollector(t, func(w http.ResponseWriter, _ *http.Request, try int) {
			if try <= 3 {
				w.WriteHeader(code)
			}
		})
		e := emitter(t, Config{URL: c.URL + "/api/v2/spans"})
		out := e.Emit(soon(t), spans(5))
		require.Equal(t, 5, out.Emitted, code)
		require.NoError(t, out.Err)
		require.Equal(t, 5, c.stored())
		require.Equal(t, 4, c.tries)
	}
}

func TestAnswersForGoodAreNotRetried(t *testing.T) {
	for _, code := range []int{301, 307, 400, 401, 403, 404, 413, 415} {
		c := newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		e := emitter(t, Config{URL: c.URL + "/api/v2/spans"})
		out := e.Emit(soon(t), spans(5))
		require.Equal(t, map[string]int{DroppedRejected: 5}, out.Dropped, code)
		require.ErrorContains(t, out.Err, fmt.Sprint(code))
		require.Equal(t, 1, c.tries, "a %d must be followed by nothing", code)
	}
}

func TestDeadServerThatComesBackLosesNothing(t *testing.T) {
	free, err := ports.Free(1)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", free[0])

	e := emitter(t, Config{URL: "http://" + address + "/api/v2/spans"})
	done := make(chan emit.Outcome)
	go func() { done <- e.Emit(soon(t), spans(7)) }()
	require.Eventually(t, func() bool { return e.Trouble() != nil }, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, e.Trouble(), "connection refused")

	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	c := &collector{Server: &httptest.Server{Listener: l}}
	c.Config = &http.Server{Handler: c}
	c.Start()
	t.Cleanup(c.Close)
	require.Equal(t, 7, (<-done).Emitted)
	require.NoError(t, e.Trouble())
	require.Equal(t, 7, c.stored())
}

func TestBlackHoleEndsWithTheContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never answers
	require.NoError(t, err)
	defer l.Close()
	e := emitter(t, Config{URL: "http://" + l.Addr().String() + "/api/v2/spans", Timeout: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan emit.Outcome)
	go func() { done <- e.Emit(ctx, spans(2500)) }()
	require.Eventually(t, func() bool { return e.Trouble() != nil }, 10*time.Second, time.Millisecond)
	cancel()
	out := <-done
	require.Zero(t, out.Emitted)
	require.Equal(t, map[string]int{emit.DroppedShutdown: 2500}, out.Dropped)
}

func TestBodiesAreBounded(t *testing.T) {
	c := newCollector(t, nil)
	e := emitter(t, Config{URL: c.URL + "/api/v2/spans"})
	many := spans(2500)
	require.Equal(t, 2500, e.Emit(soon(t), many).Emitted)
	require.Equal(t, 3, c.tries)

	large := spans(100)
	for i := range large {
		large[i].Name = strings.Repeat("x", 60<<10)
	}
	require.Equal(t, 100, e.Emit(soon(t), large).Emitted)
	require.Equal(t, 2600, c.stored())
	for _, size := range c.sizes {
		require.LessOrEqual(t, size, maxBytes)
	}

	// A span that grows sixfold in JSON still goes, alone.
	worst := spans(2)
	worst[0].Name = strings.Repeat("\x00", span.MaxSize-1000)
	require.Empty(t, worst[0].Valid())
	require.Equal(t, 2, e.Emit(soon(t), worst).Emitted)
}

// A server that answers before it has read the body leaves the transport reading it, while the next
// batch is encoded. The race detector sees whether both use the same memory.
func TestEarlyAnswerDoesNotCorruptTheNextBody(t *testing.T) {
	c := newCollector(t, func(w http.ResponseWriter, _ *http.Request, try int) {
		if try%2 == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	e := emitter(t, Config{URL: c.URL + "/api/v2/spans", Compression: "none"})
	large := spans(800)
	for i := range large {
		large[i].Name = strings.Repeat("y", 1000)
	}
	for range 10 {
		require.Equal(t, map[string]int{DroppedRejected: 800}, e.Emit(soon(t), large).Dropped)
		require.Equal(t, 800, e.Emit(soon(t), large).Emitted)
	}
	for _, s := range c.spans {
		require.Equal(t, large[0].Name, s.Name)
	}
}

func TestPasswordIsSentButNeverTold(t *testing.T) {
	c := newCollector(t, func(w http.ResponseWriter, r *http.Request, try int) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "canary" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	with := strings.Replace(c.URL, "http://", "http://me:canary@", 1) + "/api/v2/spans?key=canary"
	e := emitter(t, Config{URL: with})
	require.Equal(t, 1, e.Emit(soon(t), spans(1)).Emitted)

	wrong := emitter(t, Config{URL: strings.Replace(with, "me:canary", "me:canary2", 1)})
	require.NotContains(t, wrong.Emit(soon(t), spans(1)).Err.Error(), "canary")
	c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan emit.Outcome)
	go func() { done <- e.Emit(ctx, spans(1)) }()
	require.Eventually(t, func() bool { return e.Trouble() != nil }, 10*time.Second, time.Millisecond)
	require.NotContains(t, e.Trouble().Error(), "canary")
	cancel()
	require.NotContains(t, (<-done).Err.Error(), "canary")
}

func TestWrongConfigIsToldWithoutItsSecrets(t *testing.T) {
	for want, c := range map[string]Config{
		"no URL":                        {},
		"cannot be parsed":              {URL: "http://me:canary@\x7f"},
		"begin with http":               {URL: "ftp://me:canary@h/api/v2/spans"},
		"names no host":                 {URL: "http:///api/v2/spans"},
		"did you mean http://h/api/v2/": {URL: "http://me:canary@h"},
		"timeout is negative":           {URL: "http://h/api/v2/spans", Timeout: -1},
		"unknown compression":           {URL: "http://h/api/v2/spans", Compression: "zstd"},
		"not a header's name":           {URL: "http://h/api/v2/spans", Header: map[string]string{"a b": ""}},
	} {
		err := c.Validate()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "canary")
		_, err = New(c)
		require.Error(t, err)
	}
}

func TestCompressionIsNotWastedOnThisMachine(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://localhost/x": false, "http://127.0.0.1:9411/x": false, "http://[::1]:9411/x": false,
		"http://zipkin/x": true, "http://10.0.0.1/x": true,
	} {
		u, err := parse(raw)
		require.NoError(t, err)
		require.Equal(t, want, Config{}.compress(u), raw)
	}
}

func TestRetryAfterIsHonouredWithinReason(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "99999999": mostRetryAfter, "99999999999999999999": 0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
	} {
		require.Equal(t, want, retryAfter(in, now), in)
	}
	require.GreaterOrEqual(t, defaultBackoff.pause(0, 9*time.Second), 9*time.Second)
}

func TestBackoffGrowsAndStaysBounded(t *testing.T) {
	for try := range 100 {
		d := defaultBackoff.pause(try, 0)
		require.GreaterOrEqual(t, d, 500*time.Millisecond)
		require.LessOrEqual(t, d, 15*time.Second)
		if try > 4 {
			require.GreaterOrEqual(t, d, 7*time.Second)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Fri, 31 Dec 1999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, in string) {
		d := retryAfter(in, time.Unix(1_790_000_000, 0))
		require.True(t, d >= 0 && d <= mostRetryAfter)
	})
}

// With a pipeline in front: while Zipkin is down nothing blocks, the oldest spans make room, and what
// is left arrives once it is back.
func TestOutageKeepsTheNewestSpansAndTheBooks(t *testing.T) {
	var up atomic.Bool
	c := newCollector(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	p := emit.New(emit.Options{MaxSpans: 1000, Interval: time.Millisecond}, emitter(t, Config{URL: c.URL + "/api/v2/spans"}))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	all := spans(5000)
	for i := range all {
		p.Offer(&all[i])
		if i%50 == 0 {
			require.Error(t, p.Flush(cancelled), "it moves what is in the buffer on, and does not wait")
		}
	}
	require.Eventually(t, func() bool { return p.Status().Emitters[0].LastErr != "" }, 10*time.Second, time.Millisecond)
	up.Store(true)
	require.NoError(t, p.Close(soon(t)))
	st := p.Status()
	require.EqualValues(t, 5000, st.Accepted)
	require.EqualValues(t, st.Accepted, st.Emitted+st.Dropped[emit.DroppedQueueFull])
	require.EqualValues(t, st.Emitted, c.stored())
	require.Greater(t, st.Dropped[emit.DroppedQueueFull], int64(3000))
	require.EqualValues(t, 5000, c.spans[len(c.spans)-1].ID)
}

func BenchmarkEncode(b *testing.B) {
	batch := spans(1000)
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("gzip=%t", compress), func(b *testing.B) {
			var body body
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				data, _ := body.encode(batch, compress)
				size = len(data)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/span")
			b.ReportMetric(float64(size)/1000, "B/span")
		})
	}
}
