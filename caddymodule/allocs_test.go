package caddymodule

import (
	"context"
	"math"
	"net/http"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// What a request costs the collector is the one thing about speed that is the same on every machine. An option that is
// not used must not cost an allocation, nor make the one there is larger.
func TestARequestIsOneSmallAllocation(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(carrier{}), uintptr(256), "the next size class is 288")

	pipeline := emit.New(emit.Options{Interval: time.Hour}, discard{})
	defer pipeline.Close(context.Background())
	for name, x := range map[string]struct {
		in    http.Header
		keys  keyrules.Config
		link  spanbuilder.Link
		bytes float64
	}{
		"root":      {bytes: 256},
		"traced":    {in: http.Header{"Traceparent": {"00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01"}}, bytes: 256},
		"unsampled": {in: http.Header{"B3": {"0"}}, bytes: 256},
		"a rule":    {keys: novaRules, bytes: 256},
		"openstack": {keys: novaRules, link: spanbuilder.LinkOpenStack, bytes: 320}, // a third header
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t, "nova-api", testState(t, pipeline, x.keys, x.link))
			allocs, bytes := perRequest(t, h, x.in, pipeline)
			require.LessOrEqual(t, allocs, 1.02, "allocations a request")
			require.LessOrEqual(t, bytes, x.bytes+6, "bytes a request")
		})
	}
}

// perRequest measures what the handler allocates from a request to the queue: the least of several rounds, as the queue makes room for the
// first of them, and works beside.
func perRequest(t *testing.T, h *Handler, in http.Header, queue *emit.Pipeline) (allocs, bytes float64) {
	const n = 1000
	w := &nullWriter{header: http.Header{}}
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = benchRequest(w)
	}
	var before, after runtime.MemStats
	allocs, bytes = math.Inf(1), math.Inf(1)
	for range 12 {
		for _, r := range requests {
			refresh(r, in)
		}
		require.NoError(t, queue.Flush(t.Context()))
		runtime.ReadMemStats(&before)
		for _, r := range requests {
			_ = h.ServeHTTP(w, r, next)
		}
		runtime.ReadMemStats(&after)
		allocs = min(allocs, float64(after.Mallocs-before.Mallocs)/n)
		bytes = min(bytes, float64(after.TotalAlloc-before.TotalAlloc)/n)
	}
	return allocs, bytes
}
