package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/reporter"

	"github.com/calltap/calltap/emit/statsd"
	"github.com/calltap/calltap/span"
)

// benchInProcess measures the parts of the hot path alone, where single nanoseconds and allocations
// can be told apart.
func benchInProcess(ctx context.Context, r *rig) error {
	if err := benchHandler(ctx, r); err != nil {
		return err
	}
	benchEncoder(r)
	if err := benchStatsD(ctx, r); err != nil {
		return err
	}
	return benchQueue(ctx, r)
}

// timed gives the CPU time of one call of f, by the clock of this thread, and its allocations. It is
// the best of many short runs, since whatever else the machine does can only add.
func timed(f func()) (ns, allocs float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const runs, length = 25, 10 * time.Millisecond
	n := 1
	for took := time.Duration(0); took < length; n *= 2 {
		took = repeat(f, n)
	}
	ns = math.Inf(1)
	for range runs {
		ns = min(ns, float64(repeat(f, n).Nanoseconds())/float64(n))
	}
	return ns, testing.AllocsPerRun(1000, f)
}

// repeat gives the CPU time of n calls.
func repeat(f func(), n int) time.Duration {
	begin := threadCPU()
	for range n {
		f()
	}
	return threadCPU() - begin
}

// threadCPU is the CPU time of this thread: the time that other programs take from it is not in it.
func threadCPU() time.Duration {
	var ts syscall.Timespec
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// exampleSpan has what a server span of an HTTP request in front of nova has.
func exampleSpan() *span.Span {
	return &span.Span{
		TraceID: span.TraceID{High: 0x463ac35c9f6413ad, Low: 0x48485a3953bb6124}, ID: 0x48485a3953bb6124, Parent: 0x20,
		Kind: span.KindServer, Sampled: true, Start: time.Now().UnixMicro(), Duration: 12_345,
		Name: "GET /v2.1/servers/{id}", Key: "nova.api.servers.show.GET",
		Local:  span.Endpoint{Service: "nova-api", IP: netip.MustParseAddr("127.0.0.1"), Port: 8774},
		Remote: span.Endpoint{IP: netip.MustParseAddr("10.20.30.40"), Port: 51234},
		HTTP:   span.HTTP{Method: "GET", Path: "/v2.1/servers/9168b536-cd40-4630-b43f-b259807c6e87", Status: 200},
	}
}

// sameSpan is exampleSpan in zipkin-go's model.
func sameSpan(s *span.Span) *model.SpanModel {
	parent := model.ID(s.Parent)
	m := &model.SpanModel{
		SpanContext: model.SpanContext{TraceID: model.TraceID{High: s.TraceID.High, Low: s.TraceID.Low}, ID: model.ID(s.ID), ParentID: &parent},
		Kind:        model.Server, Name: s.Name, Timestamp: time.UnixMicro(s.Start), Duration: time.Duration(s.Duration) * time.Microsecond,
		LocalEndpoint:  &model.Endpoint{ServiceName: s.Local.Service, IPv4: s.Local.IP.AsSlice(), Port: s.Local.Port},
		RemoteEndpoint: &model.Endpoint{IPv4: s.Remote.IP.AsSlice(), Port: s.Remote.Port},
		Tags:           map[string]string{span.TagKey: s.Key},
	}
	for _, t := range s.AppendTags(nil) {
		m.Tags[t.Key] = t.Value
	}
	return m
}

func benchEncoder(r *rig) {
	s := exampleSpan()
	buf := make([]byte, 0, 4096)
	ns, allocs := timed(func() { buf = s.AppendJSON(buf[:0]) })
	note := fmt.Sprintf("%d bytes", len(buf))
	r.board.add(figure{"inproc", "span encoder", ns, "ns", atMost(120, ""), note})
	r.board.add(figure{"inproc", "span encoder, allocations", allocs, "allocs", atMost(0, ""), ""})
	escaped := exampleSpan()
	escaped.HTTP.Path = "/v2.1/servers/\"größe\"-cd40\\4630-b43f-b259807c6e87"
	ns, allocs = timed(func() { buf = escaped.AppendJSON(buf[:0]) })
	r.board.add(figure{"inproc", "span encoder, a path with escapes and UTF-8", ns, "ns", atMost(120, ""), fmt.Sprintf("%.0f allocs", allocs)})

	list := []*model.SpanModel{sameSpan(s)}
	var serializer reporter.JSONSerializer
	ns, allocs = timed(func() { _, _ = serializer.Serialize(list) })
	r.board.add(figure{"inproc", "zipkin-go's serializer, the same span", ns, "ns", goal{}, fmt.Sprintf("%.0f allocs", allocs)})
}

// benchStatsD measures the metrics of requests, a timer and a counter each, sent in batches as the pipeline makes them.
func benchStatsD(ctx context.Context, r *rig) error {
	sink, err := startStatsdSink()
	if err != nil {
		return err
	}
	defer sink.close()
	e, err := statsd.New(statsd.Config{Address: sink.addr(), Prefix: "bench"})
	if err != nil {
		return err
	}
	defer e.Close()
	batch := make([]span.Span, 1000)
	for i := range batch {
		batch[i] = *exampleSpan()
		batch[i].Duration += int64(i)
	}
	ns, allocs := timed(func() { e.Emit(ctx, batch) })
	r.board.add(figure{"inproc", "StatsD, a request", ns / float64(len(batch)), "ns", atMost(100, ""),
		fmt.Sprintf("batches of %d, system calls included; %.0f allocs a batch", len(batch), allocs)})
	return nil
}

// benchDecode measures the decoding of the recorded oslo bodies.
func benchDecode(r *rig) error {
	boot, err := readBoot()
	if err != nil {
		return err
	}
	records, size := decodable(boot)
	d, err := newDecoder()
	if err != nil {
		return err
	}
	for i := range records {
		if err := d.decode(&records[i]); err != nil {
			return fmt.Errorf("decoding message %d of the boot: %w", i, err)
		}
	}
	ns, allocs := timed(func() {
		for i := range records {
			_ = d.decode(&records[i])
		}
	})
	n := float64(len(records))
	mean := float64(size) / n
	r.board.add(figure{"rpc", "decode of an oslo body", ns / n, "ns", atMost(2500, ""),
		fmt.Sprintf("%d messages of %.0f bytes on average, %.0f MB/s", len(records), mean, float64(size)/ns*1000)})
	r.board.add(figure{"rpc", "decode of an oslo body, allocations", allocs / n, "allocs", atMost(0, ""), ""})
	return nil
}
