package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// connections a subject: enough to keep two cores busy, few enough to be a proxy's day.
const connections = 16

// subject is one variant of the proxy under load, with what its slices gave.
type subject struct {
	*site
	load     *load
	requests int64     // all that were answered, warm-up included
	rate     []float64 // requests/s, by round
	cpu      []float64 // CPU seconds a request, by round
}

// httpStage is the upstream, the sinks and the subjects, alive at once.
type httpStage struct {
	up           *upstream
	zipkin, otlp *webSink
	statsd       *statsdSink

	plain, control *subject // the same thing twice: their ratio is what noise alone makes
	calltap        *subject
	spans          *subject // calltap with a span for each attempt at an upstream
	unsampled      *subject // calltap at `sample 0`: metrics only
	off            *subject // calltap, switched off while it runs
	offWarm        int64    // requests before it was
	tracing        *subject // Caddy's own
	others         []*subject
	all            []*subject // all of them
}

// benchHTTP measures what calltap costs an HTTP request, and what Caddy's own tracing costs.
func benchHTTP(ctx context.Context, r *rig) error {
	for _, v := range []httpVariant{
		{name: "small GET", request: smallRequest},
		{name: "8 headers", request: realisticRequest, every: true, tail: true},
		{name: "8 headers, equal heaps", request: realisticRequest, every: true, env: equalHeaps},
	} {
		if err := r.runVariant(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

type httpVariant struct {
	name, request string
	env           []string
	every         bool // every subject, not only those that all figures stand on
	tail          bool // the tail of latency, too
}

// equalHeaps lets Go's collector run at the same heap size in every subject. By default it runs when
// the heap has doubled, so a program that holds a few MB more collects less often and looks faster for it:
// plain Caddy holds so little that calltap's buffers alone can pay for its work.
var equalHeaps = []string{"GOGC=off", "GOMEMLIMIT=128MiB"}

// A run in which plain Caddy differs from itself by more than this measures the machine, and is repeated.
const (
	maxNoise = 0.03
	maxRuns  = 4
)

func (r *rig) runVariant(ctx context.Context, v httpVariant) error {
	s, err := r.setHTTPStage(ctx, v)
	defer s.clear()
	if err != nil {
		return err
	}
	if err := r.quietSlices(ctx, v.name, s); err != nil {
		return err
	}
	r.reportHTTP(v.name, s)
	if v.tail {
		if err := r.tails(ctx, v.name, s); err != nil {
			return err
		}
	}
	if err := r.checkArrival(ctx, v.name, s); err != nil {
		return err
	}
	if r.profile != "" {
		return r.profileHTTP(ctx, v.name, s)
	}
	return nil
}

// quietSlices measures until the machine was quiet for a whole run, or patience ends: then the last run stands, with a
// remark.
func (r *rig) quietSlices(ctx context.Context, name string, s *httpStage) error {
	for run := 1; ; run++ {
		if err := r.slices(ctx, s.all); err != nil {
			return err
		}
		noise := medianCI(quotients(s.control.rate, s.plain.rate), r.rng).median
		if math.Abs(noise-1) <= maxNoise {
			return nil
		}
		if run == maxRuns {
			r.board.remark("http", "%s: A/A WAS OFF IN ALL OF %d RUNS: the figures below are of a noisy machine", name, maxRuns)
			return nil
		}
		r.board.remark("http", "%s: run %d is thrown away, A/A %s", name, run, number(noise))
		for _, x := range s.all {
			x.rate, x.cpu = nil, nil
		}
	}
}

// setHTTPStage starts everything. The stage is to be cleared even after an error.
func (r *rig) setHTTPStage(ctx context.Context, v httpVariant) (*httpStage, error) {
	s := &httpStage{}
	var err error
	if s.up, err = startUpstream(); err != nil {
		return s, err
	}
	if s.zipkin, err = startWebSink(zipkinSpans); err != nil {
		return s, err
	}
	if s.otlp, err = startWebSink(otlpSpans); err != nil {
		return s, err
	}
	if s.statsd, err = startStatsdSink(); err != nil {
		return s, err
	}
	zipkin, statsd := s.zipkin.url("/api/v2/spans"), s.statsd.addr()
	for _, x := range []struct {
		into   **subject
		name   string
		every  bool
		config siteConfig
	}{
		{&s.plain, "plain", false, siteConfig{}},
		{&s.control, "control", false, siteConfig{}},
		{&s.calltap, "calltap", false, calltapSite(zipkin, statsd, "")},
		{&s.tracing, "tracing", false, tracingSite(s.otlp.url(""))},
		{&s.spans, "spans", true, calltapSite(zipkin, statsd, "upstream_spans on")},
		{&s.unsampled, "unsampled", true, calltapSite(zipkin, statsd, "sample 0")},
		{&s.off, "off", true, calltapSite(zipkin, statsd, "")},
	} {
		if x.every && !v.every {
			continue
		}
		x.config.env = append(x.config.env, v.env...)
		if *x.into, err = r.startSubject(ctx, x.name, s.up.addr(), v.request, x.config); err != nil {
			return s, err
		}
		s.all = append(s.all, *x.into)
	}
	if !v.every {
		return s, nil
	}
	s.offWarm = s.off.requests
	if err := s.off.switchOff(ctx); err != nil {
		return s, err
	}
	return s, r.addProxies(ctx, s, v.request)
}

// switchOff does what `calltap control off` does.
func (x *subject) switchOff(ctx context.Context) error {
	x.thaw()
	defer x.freeze()
	return x.post(ctx, "/calltap/control", `{"do":"off"}`)
}

// addProxies puts on the stage what other proxies the machine has.
func (r *rig) addProxies(ctx context.Context, s *httpStage, request string) error {
	for _, p := range proxies {
		st, err := r.startProxy(ctx, p, s.up.addr())
		if err != nil {
			return err
		}
		if st == nil {
			r.board.remark("http", "%s IS MISSING and left out; integration/parts.sh proxies fetches it", p.name)
			continue
		}
		x, err := st.warm(request)
		if err != nil {
			return err
		}
		s.others = append(s.others, x)
		s.all = append(s.all, x)
	}
	return nil
}

func (s *httpStage) clear() {
	for _, x := range s.all {
		x.load.close()
		x.stop()
	}
	if s.statsd != nil {
		s.statsd.close()
	}
	for _, w := range []*webSink{s.zipkin, s.otlp} {
		if w != nil {
			w.close()
		}
	}
	if s.up != nil {
		s.up.close()
	}
}

// calltapSite traces everything into a Zipkin and a StatsD. option is a line of the app's block.
func calltapSite(zipkin, statsd, option string) siteConfig {
	return siteConfig{
		global: "\tcalltap {\n\t\tzipkin " + zipkin + "\n\t\tstatsd " + statsd + " {\n\t\t\tprefix bench\n\t\t}\n" +
			"\t\t" + option + "\n" +
			"\t\tkeys {\n\t\t\tuse process_stack nova.api {\n\t\t\t\tstrip /v2.1\n\t\t\t}\n\t\t}\n\t}\n",
		handler: "\tcalltap {\n\t\tservice nova-api\n\t}\n",
	}
}

// tracingSite is Caddy's own directive with a live OTLP sink.
func tracingSite(otlp string) siteConfig {
	return siteConfig{
		handler: "\ttracing {\n\t\tspan nova-api\n\t}\n",
		env: []string{
			"OTEL_SERVICE_NAME=nova-api", "OTEL_TRACES_EXPORTER=otlp", "OTEL_TRACES_SAMPLER=always_on",
			"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT=" + otlp,
		},
	}
}

// startSubject starts, connects and warms a site, then freezes it until its first slice.
func (r *rig) startSubject(ctx context.Context, name, upstream, request string, c siteConfig) (*subject, error) {
	st, err := r.startSite(ctx, name, upstream, c)
	if err != nil {
		return nil, err
	}
	return st.warm(request)
}

// warm connects to a proxy, warms it, and freezes it. If it cannot, it stops it.
func (s *site) warm(request string) (*subject, error) {
	x := &subject{site: s}
	var err error
	if x.load, err = dialLoad(s.port, connections, []byte(request)); err == nil {
		var n int
		n, _, err = x.load.run(500 * time.Millisecond)
		x.requests += int64(n)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("warming %s: %w", s.name, err)
	}
	s.freeze()
	return x, nil
}

// slices measures all subjects in turn, in a new random order every round.
func (r *rig) slices(ctx context.Context, all []*subject) error {
	for range r.rounds {
		for _, i := range r.rng.Perm(len(all)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := all[i].measure(r.slice); err != nil {
				return errors.Join(fmt.Errorf("slice of %s: %w", all[i].name, err), all[i].died())
			}
		}
	}
	return nil
}

// measure gives the subject the machine for one slice.
func (x *subject) measure(d time.Duration) error {
	before := x.site.cpu()
	x.thaw()
	n, took, err := x.load.run(d)
	x.freeze()
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("no request was answered")
	}
	x.requests += int64(n)
	x.rate = append(x.rate, float64(n)/took.Seconds())
	x.cpu = append(x.cpu, (x.site.cpu()-before).Seconds()/float64(n))
	return nil
}

// reportHTTP prints the ratios. Base is the geometric mean of plain and control, which is the ratio
// to plain divided by the square root of A/A: neither process's own luck counts.
func (r *rig) reportHTTP(name string, s *httpStage) {
	rate := func(a, b []float64) estimate { return medianCI(quotients(a, b), r.rng) }
	baseRate, baseCPU := geometric(s.plain.rate, s.control.rate), geometric(s.plain.cpu, s.control.cpu)
	show := func(what string, e estimate, unit string, g goal) {
		r.board.add(figure{"http", name + ": " + what, e.median, unit, g, e.String()})
	}
	show("plain Caddy, requests/s", medianCI(s.plain.rate, r.rng), "req/s", goal{})
	show("plain Caddy, CPU/request", scale(medianCI(s.plain.cpu, r.rng), 1e6), "us", goal{})
	show("A/A requests/s", rate(s.control.rate, s.plain.rate), "ratio", goal{})
	show("A/A CPU/request", rate(s.control.cpu, s.plain.cpu), "ratio", goal{})
	against := func(what string, x *subject, rates, cpu goal) {
		if x != nil {
			show(what+" / plain, requests/s", rate(x.rate, baseRate), "ratio", rates)
			show(what+" / plain, CPU/request", rate(x.cpu, baseCPU), "ratio", cpu)
		}
	}
	against("calltap", s.calltap, atLeast(0.95, "0.97"), atMost(1.06, ""))
	against("calltap, upstream_spans", s.spans, atLeast(0.93, ""), goal{})
	against("calltap, sample 0", s.unsampled, goal{}, goal{})
	against("calltap, switched off", s.off, atLeast(0.99, ""), goal{})
	against("Caddy tracing", s.tracing, goal{}, goal{})
	show("calltap / Caddy tracing, requests/s", rate(s.calltap.rate, s.tracing.rate), "ratio", atLeast(1.20, ""))
	for _, x := range s.others {
		against(x.name, x, goal{}, goal{})
	}
}

// checkArrival proves that the measured spans travelled: what is fast because it drops is not fast.
func (r *rig) checkArrival(ctx context.Context, name string, s *httpStage) error {
	for _, x := range s.all {
		x.thaw()
	}
	spans, timers := s.calltap.requests, s.calltap.requests
	if s.spans != nil {
		spans += 2*s.spans.requests + s.offWarm                         // of each a server span and one attempt
		timers += 3*s.spans.requests + s.offWarm + s.unsampled.requests // an attempt has one for its first byte, too
	}
	err := until(ctx, 15*time.Second, "all spans to arrive", func() bool {
		return s.zipkin.spans.Load() >= spans && s.statsd.timers.Load() >= timers
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	note := fmt.Sprintf("%d of %d", s.zipkin.spans.Load(), spans)
	if err != nil {
		note += ", NOT ALL ARRIVED"
	}
	r.board.add(figure{"http", name + ": spans at Zipkin / expected", float64(s.zipkin.spans.Load()) / float64(spans), "ratio", atLeast(1, ""), note})
	r.board.add(figure{"http", name + ": StatsD timers / expected", float64(s.statsd.timers.Load()) / float64(timers), "ratio",
		goal{}, fmt.Sprintf("%d timers over UDP", s.statsd.timers.Load())})
	r.board.remark("http", "%s: Caddy tracing delivered %d spans of %d requests to its OTLP sink", name, s.otlp.spans.Load(), s.tracing.requests)
	return nil
}

// fileName makes a variant's name fit for the name of a file.
func fileName(variant string) string {
	words := strings.FieldsFunc(variant, func(c rune) bool { return strings.ContainsRune(" ,:", c) })
	if len(words) == 0 {
		return ""
	}
	return "-" + strings.Join(words, "-")
}

// profileHTTP takes CPU profiles of calltap and plain Caddy under the same load.
func (r *rig) profileHTTP(ctx context.Context, name string, s *httpStage) error {
	if err := os.MkdirAll(r.profile, 0o755); err != nil {
		return err
	}
	for _, x := range []*subject{s.plain, s.calltap} {
		const seconds = 6
		failed := make(chan error, 1)
		go func() {
			_, _, err := x.load.run((seconds + 1) * time.Second)
			failed <- err
		}()
		file := filepath.Join(r.profile, "http-"+x.name+fileName(name)+".pprof")
		err := x.profileCPU(ctx, file, seconds)
		if err := errors.Join(err, <-failed); err != nil {
			return err
		}
		r.board.remark("http", "CPU profile of %s: %s", x.name, file)
	}
	return nil
}
