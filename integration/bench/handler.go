package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/calltap/calltap/caddymodule"
)

const (
	burst  = 2000 // requests between two drains: fewer than the pipeline's queue holds
	bursts = 40
	ring   = 100 // requests that are used again and again, as warm as Caddy would hand them over
)

// benchHandler measures what the handler adds to a request: ids and headers, key, span, and the offer
// to the queue. It is timed in bursts with the queue drained between them, so that neither a full
// queue nor the sending, which other goroutines do, is in the figure.
func benchHandler(ctx context.Context, r *rig) error {
	zipkin, err := startWebSink(zipkinSpans)
	if err != nil {
		return err
	}
	defer zipkin.close()
	statsd, err := startStatsdSink()
	if err != nil {
		return err
	}
	defer statsd.close()
	h, err := loadHandler(zipkin.url("/api/v2/spans"), statsd.addr())
	if err != nil {
		return err
	}
	defer func() { _ = caddy.Stop() }()
	for _, v := range []struct {
		name, traceparent string
		time, allocs      goal
	}{
		{"handler + key + span + enqueue", "", atMost(400, ""), atMost(1, "")},
		{"the same, inbound traceparent", "00-463ac35c9f6413ad48485a3953bb6124-0020000000000001-01", goal{}, goal{}},
	} {
		hb := handlerBench{handler: h, traceparent: v.traceparent, sink: zipkin, sent: zipkin.spans.Load()}
		quick, middle, allocs, err := hb.measure(ctx)
		if err != nil {
			return err
		}
		r.board.add(figure{"inproc", v.name, quick, "ns", v.time, fmt.Sprintf("CPU time, best tenth of %d bursts of %d; median burst %.0f", bursts, burst, middle)})
		r.board.add(figure{"inproc", v.name + ", allocations", allocs, "allocs", v.allocs, ""})
	}
	return nil
}

// loadHandler runs the app in this process and gives a handler of it.
func loadHandler(zipkin, statsd string) (caddyhttp.MiddlewareHandler, error) {
	config := fmt.Sprintf(`{"admin":{"disabled":true,"config":{"persist":false}},"logging":{"logs":{"default":{"level":"ERROR"}}},
		"apps":{"calltap":{"zipkin":{"url":%q},"statsd":{"address":%q,"prefix":"bench"},
		"keys":{"rules":[{"use":"process_stack","prefix":"nova.api","strip":["/v2.1"]}]}}}}`, zipkin, statsd)
	if err := caddy.Load([]byte(config), true); err != nil {
		return nil, err
	}
	module, err := caddy.ActiveContext().LoadModuleByID("http.handlers.calltap", json.RawMessage(`{"service":"nova-api"}`))
	if err != nil {
		return nil, err
	}
	return module.(caddyhttp.MiddlewareHandler), nil
}

// prepared is a request as Caddy's server hands it to its handlers.
type prepared struct {
	w      *nullWriter
	r      *http.Request
	header http.Header
	vars   map[string]any
}

func prepare(traceparent string) prepared {
	req := httptest.NewRequest(http.MethodGet, "http://nova.example.org/v2.1/servers/detail", nil)
	req.RemoteAddr = "127.0.0.1:51234"
	for name, value := range map[string]string{
		"User-Agent": "python-novaclient", "Accept": "application/json", "X-Auth-Token": "xxxxxxxx", "Traceparent": traceparent,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	w := &nullWriter{header: http.Header{}}
	req = caddyhttp.PrepareRequest(req, caddy.NewReplacer(), w, &caddyhttp.Server{})
	return prepared{w: w, r: req, header: req.Header.Clone(), vars: maps.Clone(varsOf(req))}
}

func varsOf(r *http.Request) map[string]any {
	return r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
}

// restore makes the request new again without making garbage, which the handler would pay for.
func (p *prepared) restore() {
	clear(p.r.Header)
	maps.Copy(p.r.Header, p.header)
	vars := varsOf(p.r)
	clear(vars)
	maps.Copy(vars, p.vars)
}

// handlerBench calls a handler as Caddy does.
type handlerBench struct {
	handler     caddyhttp.MiddlewareHandler
	traceparent string
	sink        *webSink
	sent        int64 // spans that the sink should have seen
}

// measure gives the CPU time of a request in the quickest tenth of the bursts, in the median burst, and
// its allocations.
func (h *handlerBench) measure(ctx context.Context) (quick, middle, allocs float64, err error) {
	runtime.LockOSThread() // for the thread's clock
	defer runtime.UnlockOSThread()
	requests := h.prepare(ring)
	var times []float64
	for range bursts {
		var spent time.Duration
		for range burst / ring {
			for i := range requests {
				requests[i].restore()
			}
			begin := threadCPU()
			h.serve(requests)
			spent += threadCPU() - begin
		}
		times = append(times, float64(spent.Nanoseconds())/burst)
		if err := h.drain(ctx); err != nil {
			return 0, 0, 0, err
		}
	}
	allocs = h.countAllocs()
	slices.Sort(times)
	return times[len(times)/10], median(times), allocs, h.drain(ctx)
}

// countAllocs is a pass of its own, since reading the counters stops the world. The least of several counts: the pipeline works beside.
func (h *handlerBench) countAllocs() float64 {
	requests := h.prepare(ring)
	least := math.Inf(1)
	for range bursts {
		for i := range requests {
			requests[i].restore()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h.serve(requests)
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/float64(len(requests)))
	}
	return math.Round(least*100) / 100
}

func (h *handlerBench) prepare(n int) []prepared {
	requests := make([]prepared, n)
	for i := range requests {
		requests[i] = prepare(h.traceparent)
	}
	return requests
}

var answer = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

func (h *handlerBench) serve(requests []prepared) {
	for i := range requests {
		_ = h.handler.ServeHTTP(requests[i].w, requests[i].r, answer)
	}
	h.sent += int64(len(requests))
}

// drain waits until every span has reached the sink: none may be lost, and none be sent meanwhile.
func (h *handlerBench) drain(ctx context.Context) error {
	return until(ctx, 20*time.Second, "the burst to reach Zipkin", func() bool { return h.sink.spans.Load() >= h.sent })
}

// nullWriter is a response that nobody reads.
type nullWriter struct {
	header http.Header
	body   bytes.Buffer
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(int)             {}
func (w *nullWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
