package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/rabbit"
)

const (
	rpcRounds = 11
	rpcBoots  = 110 // a round; 58 events each, well within the tap's queue of 20,000
)

// rpcSubject is one consumer of the firehose, with the CPU seconds an event of every round.
type rpcSubject struct {
	*process
	cpu []float64
}

// rpcStage is a private broker whose firehose feeds three subjects the same events.
type rpcStage struct {
	node           *rabbit.Node
	up             *upstream
	zipkin         *webSink
	statsd         *statsdSink
	feed           *feeder
	plain, control *rpcSubject // bare amqp091-go consumers
	tap            *rpcSubject
	site           *site
}

// benchRPC measures what the tap takes for an event, beside a bare consumer of the same events. The
// broker fills the queues of all subjects while they are frozen; then each drains its own, alone.
func benchRPC(ctx context.Context, r *rig) error {
	if err := benchDecode(r); err != nil {
		return err
	}
	for _, v := range []struct {
		name string
		env  []string
	}{
		{"", nil},
		{"equal heaps: ", equalHeaps},
	} {
		err := r.rpcVariant(ctx, v.name, v.env)
		if errors.Is(err, rabbit.ErrNotInstalled) {
			r.board.remark("rpc", "left out: %v", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s%w", v.name, err)
		}
	}
	return nil
}

func (r *rig) rpcVariant(ctx context.Context, name string, env []string) error {
	s, err := r.setRPCStage(ctx, env)
	defer s.clear()
	if err != nil {
		return err
	}
	for round := range rpcRounds + 1 {
		if err := r.rpcRound(ctx, s, round > 0); err != nil {
			return err
		}
	}
	if err := r.reportRPC(ctx, name, s); err != nil || r.profile == "" {
		return err
	}
	return r.profileRPC(ctx, name, s)
}

func (r *rig) setRPCStage(ctx context.Context, env []string) (*rpcStage, error) {
	s := &rpcStage{}
	var err error
	if s.node, err = r.startBroker(); err != nil {
		return s, err
	}
	if s.up, err = startUpstream(); err != nil {
		return s, err
	}
	if s.zipkin, err = startWebSink(zipkinSpans); err != nil {
		return s, err
	}
	if s.statsd, err = startStatsdSink(); err != nil {
		return s, err
	}
	if s.plain, err = r.startBare(ctx, "bare", s.node.URL(), env); err != nil {
		return s, err
	}
	if s.control, err = r.startBare(ctx, "bare-control", s.node.URL(), env); err != nil {
		return s, err
	}
	config := tapSite(s.zipkin.url("/api/v2/spans"), s.statsd.addr(), s.node.URL())
	config.env = env
	if s.site, err = r.startSite(ctx, "tap", s.up.addr(), config); err != nil {
		return s, err
	}
	s.tap = &rpcSubject{process: s.site.process}
	if err = awaitTap(ctx, s.node, 3); err != nil {
		return s, err
	}
	s.feed, err = startFeeder(s.node.URL())
	return s, err
}

// startBroker boots a private node with its firehose on.
func (r *rig) startBroker() (*rabbit.Node, error) {
	dir, err := os.MkdirTemp(r.dir, "rabbit-")
	if err != nil {
		return nil, err
	}
	node, err := rabbit.Launch(dir)
	if err != nil {
		return nil, err
	}
	if _, err := node.Run("trace_on"); err != nil {
		node.Shutdown()
		return nil, err
	}
	return node, nil
}

// startBare starts this program again in the role of the yardstick.
func (r *rig) startBare(ctx context.Context, name, url string, env []string) (*rpcSubject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(r.dir, name, env, self, bareRole, "-url", url)
	if err != nil {
		return nil, err
	}
	err = until(ctx, 20*time.Second, name+" to consume", func() bool { return p.died() != nil || strings.Contains(p.output(), "ready") })
	if err == nil {
		err = p.died()
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return &rpcSubject{process: p}, nil
}

// tapSite is calltap as an operator of OpenStack would run it.
func tapSite(zipkin, statsd, rabbitmq string) siteConfig {
	return siteConfig{
		global: "\tcalltap {\n\t\tzipkin " + zipkin + "\n\t\tstatsd " + statsd + " {\n\t\t\tprefix bench\n\t\t}\n\t\tlink openstack\n" +
			"\t\tkeys {\n\t\t\tuse process_stack nova.api {\n\t\t\t\tstrip /v2.1\n\t\t\t}\n" +
			"\t\t\tuse queue_receive nova.compute {\n\t\t\t\ttopic compute\n\t\t\t}\n" +
			"\t\t\tuse queue_receive nova.conductor {\n\t\t\t\ttopic conductor\n\t\t\t}\n\t\t}\n" +
			"\t\trabbitmq " + rabbitmq + " {\n\t\t\tfirehose\n\t\t}\n\t}\n",
		handler: "\tcalltap {\n\t\tservice nova-api\n\t}\n",
	}
}

func (s *rpcStage) all() []*rpcSubject { return []*rpcSubject{s.plain, s.control, s.tap} }

// rpcRound fills all queues and lets each subject drain its own in random order. Rounds that are
// not kept warm the subjects up.
func (r *rig) rpcRound(ctx context.Context, s *rpcStage, keep bool) error {
	for _, x := range s.all() {
		x.freeze()
	}
	before := s.feed.sent
	if err := s.feed.play(ctx, rpcBoots); err != nil {
		return err
	}
	events := float64(2 * (s.feed.sent - before))
	for _, i := range r.rng.Perm(len(s.all())) {
		x := s.all()[i]
		begin := x.process.cpu()
		x.thaw()
		if err := x.rest(ctx, 30*time.Second); err != nil {
			return err
		}
		x.freeze()
		if keep {
			x.cpu = append(x.cpu, (x.process.cpu()-begin).Seconds()/events)
		}
	}
	return nil
}

func (r *rig) reportRPC(ctx context.Context, name string, s *rpcStage) error {
	for _, x := range s.all() {
		x.thaw()
	}
	base := geometric(s.plain.cpu, s.control.cpu)
	show := func(what string, e estimate, unit string, g goal) {
		r.board.add(figure{"rpc", name + what, e.median, unit, g, e.String()})
	}
	show("bare amqp091-go consumer, CPU/event", scale(medianCI(base, r.rng), 1e6), "us", goal{})
	show("A/A CPU/event", medianCI(quotients(s.control.cpu, s.plain.cpu), r.rng), "ratio", goal{})
	show("whole tap, CPU/event", scale(medianCI(s.tap.cpu, r.rng), 1e6), "us", goal{})
	show("whole tap / bare consumer, CPU/event", medianCI(quotients(s.tap.cpu, base), r.rng), "ratio", atMost(1.3, "0.5"))
	return r.checkTap(ctx, name, s)
}

// checkTap proves that the subjects have seen the same events and that the tap's spans travelled. A
// boot makes 13 calls, of two spans each, and 3 one-way messages of two spans each.
func (r *rig) checkTap(ctx context.Context, name string, s *rpcStage) error {
	expect := 2 * s.feed.sent
	for _, x := range []*rpcSubject{s.plain, s.control} {
		x.in.Close()
		<-x.done
		var total int64
		if _, err := fmt.Sscanf(strings.TrimSpace(strings.TrimPrefix(x.output(), "ready\n")), "total %d", &total); err != nil || total != expect {
			return fmt.Errorf("%s saw %d of %d events: %s", x.name, total, expect, x.output())
		}
	}
	spans := int64(s.feed.next) * 32
	_ = until(ctx, 10*time.Second, "spans", func() bool { return s.zipkin.spans.Load() >= spans })
	page, err := s.site.status(ctx)
	if err != nil {
		return err
	}
	events, made := page.seen()
	z := page.Pipeline.of("zipkin")
	r.board.add(figure{"rpc", name + "spans at Zipkin / spans of the boots", float64(s.zipkin.spans.Load()) / float64(spans), "ratio", atLeast(1, ""),
		fmt.Sprintf("%d of %d; the tap saw %d of %d events, made %d spans; its books: emitted %d, queued %d, dropped %v",
			s.zipkin.spans.Load(), spans, events, expect, made, z.Emitted, z.Queued, z.Dropped)})
	return nil
}

// profileRPC takes a CPU profile of the tap, which by now has the broker for itself.
func (r *rig) profileRPC(ctx context.Context, name string, s *rpcStage) error {
	if err := os.MkdirAll(r.profile, 0o755); err != nil {
		return err
	}
	file := filepath.Join(r.profile, "rpc-tap"+fileName(name)+".pprof")
	taken := make(chan error, 1)
	go func() { taken <- s.site.profileCPU(ctx, file, 25) }()
	for {
		if err := s.feed.play(ctx, rpcBoots); err != nil {
			return err
		}
		select {
		case err := <-taken:
			r.board.remark("rpc", "CPU profile of the tap: %s", file)
			return err
		default:
		}
	}
}

func (s *rpcStage) clear() {
	if s.feed != nil {
		s.feed.close()
	}
	for _, x := range s.all() {
		if x != nil {
			x.stop()
		}
	}
	if s.tap == nil && s.site != nil {
		s.site.stop()
	}
	if s.statsd != nil {
		s.statsd.close()
	}
	if s.zipkin != nil {
		s.zipkin.close()
	}
	if s.up != nil {
		s.up.close()
	}
	if s.node != nil {
		s.node.Shutdown()
	}
}
