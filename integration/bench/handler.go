package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/calltap/calltap/caddymodule"
)

const (
	burst  = 2000 // requests timed at a time: fewer than the pipeline's queue holds
	bursts = 60
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
		{"handler + key + span + enqueue", "", atMost(800, "400"), atMost(4, "1")},
		{"the same, inbound traceparent", "00-463ac35c9f6413ad48485a3953bb6124-0020000000000001-01", goal{}, goal{}},
	} {
		ns, allocs, err := timeHandler(ctx, h, v.traceparent, zipkin)
		if err != nil {
			return err
		}
		r.board.add(figure{"inproc", v.name, ns, "ns", v.time, fmt.Sprintf("median of %d bursts of %d", bursts, burst)})
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
	w *nullWriter
	r *http.Request
}

func prepare(traceparent string) prepared {
	req := httptest.NewRequest(http.MethodGet, "http://nova.example.org/v2.1/servers/detail", nil)
	req.RemoteAddr = "127.0.0.1:51234"
	if traceparent != "" {
		req.Header.Set("Traceparent", traceparent)
	}
	w := &nullWriter{header: http.Header{}}
	return prepared{w, caddyhttp.PrepareRequest(req, caddy.NewReplacer(), w, &caddyhttp.Server{})}
}

// timeHandler gives the median time and allocations of a request, less those of the answer itself.
func timeHandler(ctx context.Context, h caddyhttp.MiddlewareHandler, traceparent string, zipkin *webSink) (ns, allocs float64, err error) {
	answer := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	sent := zipkin.spans.Load()
	var times, counts []float64
	for range bursts {
		requests := make([]prepared, burst)
		for i := range requests {
			requests[i] = prepare(traceparent)
		}
		runtime.GC() // what preparing left is not the handler's
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		for _, p := range requests {
			if err := h.ServeHTTP(p.w, p.r, answer); err != nil {
				return 0, 0, err
			}
		}
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		times = append(times, float64(took.Nanoseconds())/burst)
		counts = append(counts, float64(after.Mallocs-before.Mallocs)/burst)
		sent += burst
		if err := until(ctx, 20*time.Second, "the burst to reach Zipkin", func() bool { return zipkin.spans.Load() >= sent }); err != nil {
			return 0, 0, err
		}
	}
	return median(times), median(counts), nil
}

// nullWriter is a response that nobody reads.
type nullWriter struct {
	header http.Header
	body   bytes.Buffer
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(int)             {}
func (w *nullWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
