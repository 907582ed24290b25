package main

import (
	"context"
	"errors"
	"fmt"
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

// httpStage is the upstream, the sinks and the four subjects, alive at once.
type httpStage struct {
	up             *upstream
	zipkin, otlp   *webSink
	statsd         *statsdSink
	plain, control *subject // the same thing twice: their ratio is what noise alone makes
	calltap        *subject
	tracing        *subject
}

// benchHTTP measures what calltap costs an HTTP request, and what Caddy's own tracing costs.
func benchHTTP(ctx context.Context, r *rig) error {
	for _, v := range []struct {
		name, request string
		env           []string
	}{
		{"small GET", smallRequest, nil},
		{"8 request headers", realisticRequest, nil},
		{"8 headers, equal heaps", realisticRequest, equalHeaps},
	} {
		if err := r.httpVariant(ctx, v.name, v.request, v.env); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// equalHeaps lets Go's collector run at the same heap size in every subject. By default it runs when
// the heap has doubled, so a program that holds a few MB more collects less often and looks faster for it:
// plain Caddy holds so little that calltap's buffers alone can pay for its work.
var equalHeaps = []string{"GOGC=off", "GOMEMLIMIT=128MiB"}

func (r *rig) httpVariant(ctx context.Context, name, request string, env []string) error {
	s, err := r.setHTTPStage(ctx, request, env)
	defer s.clear()
	if err != nil {
		return err
	}
	if err := r.slices(ctx, s.all()); err != nil {
		return err
	}
	r.reportHTTP(name, s)
	if err := r.checkArrival(ctx, name, s); err != nil {
		return err
	}
	if r.profile != "" {
		return r.profileHTTP(ctx, name, s)
	}
	return nil
}

// setHTTPStage starts everything. The stage is to be cleared even after an error.
func (r *rig) setHTTPStage(ctx context.Context, request string, env []string) (*httpStage, error) {
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
	for _, v := range []struct {
		into   **subject
		name   string
		config siteConfig
	}{
		{&s.plain, "plain", siteConfig{}},
		{&s.control, "control", siteConfig{}},
		{&s.calltap, "calltap", calltapSite(s.zipkin.url("/api/v2/spans"), s.statsd.addr())},
		{&s.tracing, "tracing", tracingSite(s.otlp.url(""))},
	} {
		v.config.env = append(v.config.env, env...)
		if *v.into, err = r.startSubject(ctx, v.name, s.up.addr(), request, v.config); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *httpStage) all() []*subject {
	return []*subject{s.plain, s.control, s.calltap, s.tracing}
}

func (s *httpStage) clear() {
	for _, x := range s.all() {
		if x != nil {
			x.load.close()
			x.stop()
		}
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

// calltapSite traces everything into a Zipkin and a StatsD.
func calltapSite(zipkin, statsd string) siteConfig {
	return siteConfig{
		global: "\tcalltap {\n\t\tzipkin " + zipkin + "\n\t\tstatsd " + statsd + " {\n\t\t\tprefix bench\n\t\t}\n" +
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

// startSubject starts, connects and warms a subject, then freezes it until its first slice.
func (r *rig) startSubject(ctx context.Context, name, upstream, request string, c siteConfig) (*subject, error) {
	st, err := r.startSite(ctx, name, upstream, c)
	if err != nil {
		return nil, err
	}
	x := &subject{site: st}
	if x.load, err = dialLoad(st.port, connections, []byte(request)); err == nil {
		var n int
		n, _, err = x.load.run(500 * time.Millisecond)
		x.requests += int64(n)
	}
	if err != nil {
		st.stop()
		return nil, fmt.Errorf("warming %s: %w", name, err)
	}
	st.freeze()
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
	show("calltap / plain, requests/s", rate(s.calltap.rate, baseRate), "ratio", atLeast(0.90, "0.97"))
	show("calltap / plain, CPU/request", rate(s.calltap.cpu, baseCPU), "ratio", goal{})
	show("Caddy tracing / plain, requests/s", rate(s.tracing.rate, baseRate), "ratio", goal{})
	show("Caddy tracing / plain, CPU/request", rate(s.tracing.cpu, baseCPU), "ratio", goal{})
	show("calltap / Caddy tracing, requests/s", rate(s.calltap.rate, s.tracing.rate), "ratio", atLeast(1.10, "1.15"))
}

// checkArrival proves that the measured spans travelled: what is fast because it drops is not fast.
func (r *rig) checkArrival(ctx context.Context, name string, s *httpStage) error {
	for _, x := range s.all() {
		x.thaw()
	}
	err := until(ctx, 15*time.Second, "all spans to arrive", func() bool {
		return s.zipkin.spans.Load() >= s.calltap.requests && s.statsd.timers.Load() >= s.calltap.requests
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	note := fmt.Sprintf("%d of %d requests", s.zipkin.spans.Load(), s.calltap.requests)
	if err != nil {
		note += ", NOT ALL ARRIVED"
	}
	r.board.add(figure{"http", name + ": spans at Zipkin / requests", float64(s.zipkin.spans.Load()) / float64(s.calltap.requests), "ratio",
		atLeast(1, ""), note})
	r.board.add(figure{"http", name + ": StatsD timers / requests", float64(s.statsd.timers.Load()) / float64(s.calltap.requests), "ratio",
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
