package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/rabbit"
)

const (
	brokerRounds = 9
	brokerRate   = 300 // calls a second, far from what the broker can do
	brokerSlice  = 2 * time.Second
)

// tracing is one way to look at the RPC of a vhost. Each has a vhost of its own on one node, so that they
// take turns without anything being switched in between: the firehose is a property of the vhost.
type tracing struct {
	name     string
	vhost    string
	firehose bool
	tap      []string // lines of calltap's block, nil is no tap

	load *caller
	cpu  []float64 // of the broker, seconds a call
	p50  []float64 // of the calls, seconds
}

func tracings() []*tracing {
	return []*tracing{
		{name: "tracing off", vhost: "off"},
		{name: "tracing on, nothing bound", vhost: "on", firehose: true},
		{name: "tracing on and the tap", vhost: "tap", firehose: true, tap: []string{"firehose"}},
		{name: "mirror of the requests", vhost: "mirror", tap: []string{"mirror " + callExchange + " " + callKey, "accept_changes"}},
	}
}

// benchBroker measures what tracing costs the broker, and those who call through it, at a fixed rate of calls: the CPU of its
// process for a call, and how long a call takes.
func benchBroker(ctx context.Context, r *rig) error {
	dir, err := os.MkdirTemp(r.dir, "rabbit-")
	if err != nil {
		return err
	}
	node, err := rabbit.Launch(dir)
	if errors.Is(err, rabbit.ErrNotInstalled) {
		r.board.remark("broker", "left out: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer node.Shutdown()
	ways := tracings()
	defer func() {
		for _, w := range ways {
			w.load.close()
		}
	}()
	stop, err := r.setTracings(ctx, node, ways)
	defer stop()
	if err != nil {
		return err
	}
	beam, err := brokerProcess(node)
	if err != nil {
		return err
	}
	for round := range brokerRounds + 1 {
		for _, i := range r.rng.Perm(len(ways)) {
			if err := ways[i].slice(ctx, beam, round > 0); err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
		}
	}
	r.reportBroker(ways)
	return nil
}

// setTracings makes the vhosts, starts the programs that call and calltap, and returns what ends calltap.
func (r *rig) setTracings(ctx context.Context, node *rabbit.Node, ways []*tracing) (stop func(), err error) {
	stop = func() {}
	url := func(w *tracing) string { return node.URL() + w.vhost }
	var taps []string
	for _, w := range ways {
		steps := [][]string{{"add_vhost", w.vhost}, {"set_permissions", "-p", w.vhost, "guest", ".*", ".*", ".*"}}
		if w.firehose {
			steps = append(steps, []string{"trace_on", "-p", w.vhost})
		}
		for _, args := range steps {
			if _, err := node.Run(args...); err != nil {
				return stop, err
			}
		}
		if w.load, err = startCaller(url(w)); err != nil {
			return stop, err
		}
		if w.tap != nil {
			taps = append(taps, tapOf(url(w), w.tap...))
		}
	}
	zipkin, err := startWebSink(zipkinSpans)
	if err != nil {
		return stop, err
	}
	statsd, err := startStatsdSink()
	if err != nil {
		zipkin.close()
		return stop, err
	}
	stop = func() { zipkin.close(); statsd.close() }
	site, err := r.startSite(ctx, "taps", "127.0.0.1:9", tapSite(zipkin.url("/api/v2/spans"), statsd.addr(), taps...))
	if err != nil {
		return stop, err
	}
	stop = func() { site.stop(); zipkin.close(); statsd.close() }
	return stop, until(ctx, 30*time.Second, "the taps to be connected", func() bool {
		page, err := site.status(ctx)
		return err == nil && page.connected() == len(taps)
	})
}

// brokerProcess finds the Erlang VM of a node by its own pid file.
func brokerProcess(node *rabbit.Node) (int, error) {
	text, err := os.ReadFile(filepath.Join(node.Dir(), "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// slice calls through one vhost for a while, with nobody else calling.
func (w *tracing) slice(ctx context.Context, beam int, keep bool) error {
	begin := processCPU(beam)
	took, err := w.load.run(ctx, brokerSlice, brokerRate)
	if err != nil {
		return err
	}
	cpu := processCPU(beam) - begin
	if keep {
		w.cpu = append(w.cpu, cpu.Seconds()/float64(len(took)))
		w.p50 = append(w.p50, median(took))
	}
	return nil
}

func (r *rig) reportBroker(ways []*tracing) {
	off := ways[0]
	for i, w := range ways {
		r.compare(w.name+", broker's CPU a call", w.cpu, off.cpu, i > 0)
		r.compare(w.name+", p50 of a call", w.p50, off.p50, i > 0)
	}
	r.board.remark("broker", "%d calls a second, one after the other, 1 KB each way; calltap and the callers share the processors", brokerRate)
}

// compare prints seconds as microseconds and, if wanted, as a ratio to others.
func (r *rig) compare(what string, values, others []float64, ratio bool) {
	r.board.add(figure{"broker", what, 1e6 * median(values), "us", goal{}, scale(medianCI(values, r.rng), 1e6).String()})
	if ratio {
		e := medianCI(quotients(values, others), r.rng)
		r.board.add(figure{"broker", what + " / off", e.median, "ratio", goal{}, e.String()})
	}
}
