package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/rabbit"
)

// rpcSubject is one consumer of the firehose, with the CPU seconds an event of every round.
type rpcSubject struct {
	*process
	cpu  []float64
	seen func(context.Context) (int64, error) // how many events it has taken
}

// drain waits until the subject has worked off its queue. A process that gets no processor looks like one that is done, and
// one whose queue was cut off never is: so it is asked, and a run in which events are missing is void.
func (x *rpcSubject) drain(ctx context.Context, want int64) error {
	const limit = 30 * time.Second
	for begin := time.Now(); ; {
		if err := x.rest(ctx, limit); err != nil {
			return err
		}
		seen, err := x.seen(ctx)
		if err != nil || seen >= want {
			return err
		}
		if time.Since(begin) > limit {
			return fmt.Errorf("the run is void: %s took %d of %d events", x.name, seen, want)
		}
	}
}

// rpcTap is calltap with one of its readers.
type rpcTap struct {
	rpcSubject
	reader string
	limit  float64 // of the ratio to the bare consumer
	allocs float64 // allocations an event

	site   *site
	zipkin *webSink

	allocations  float64 // when the warming up was over
	eventsBefore float64
}

// rpcStage is a private broker whose firehose feeds all subjects the same events.
type rpcStage struct {
	node           *rabbit.Node
	up             *upstream
	statsd         *statsdSink
	feed           *feeder
	plain, control *rpcSubject // bare amqp091-go consumers
	taps           []*rpcTap
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
	if s.statsd, err = startStatsdSink(); err != nil {
		return s, err
	}
	if s.plain, err = r.startBare(ctx, "bare", s.node.URL(), env); err != nil {
		return s, err
	}
	if s.control, err = r.startBare(ctx, "bare-control", s.node.URL(), env); err != nil {
		return s, err
	}
	for _, t := range []*rpcTap{
		{reader: "inplace", limit: 0.55, allocs: 1},
		{reader: "library", limit: 1.2, allocs: 200},
	} {
		if err := r.startTap(ctx, s, t, env); err != nil {
			return s, err
		}
	}
	if err = awaitTap(ctx, s.node, 2+len(s.taps)); err != nil {
		return s, err
	}
	s.feed, err = startFeeder(s.node.URL())
	return s, err
}

// startTap starts calltap with a Zipkin of its own, which counts what comes of it.
func (r *rig) startTap(ctx context.Context, s *rpcStage, t *rpcTap, env []string) error {
	s.taps = append(s.taps, t)
	var err error
	if t.zipkin, err = startWebSink(zipkinSpans); err != nil {
		return err
	}
	// While it is stopped its queue fills, which the watchdog would rightly not stand by and see.
	config := tapSite(t.zipkin.url("/api/v2/spans"), s.statsd.addr(), tapOf(s.node.URL(), "firehose", "reader "+t.reader, "watchdog off"))
	config.env = env
	if t.site, err = r.startSite(ctx, "tap-"+t.reader, s.up.addr(), config); err == nil {
		t.process = t.site.process
		t.seen = func(ctx context.Context) (int64, error) {
			page, err := t.site.status(ctx)
			events, _ := page.seen()
			return events, err
		}
	}
	return err
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
	return &rpcSubject{process: p, seen: p.askBare}, nil
}

// askBare asks a bare consumer how many events it has taken.
func (p *process) askBare(ctx context.Context) (seen int64, err error) {
	const word = "seen "
	answers := strings.Count(p.output(), word)
	if _, err := fmt.Fprintln(p.in); err != nil {
		return 0, err
	}
	err = until(ctx, 10*time.Second, p.name+" to tell what it has seen", func() bool {
		out := p.output()
		if !strings.HasSuffix(out, "\n") || strings.Count(out, word) == answers {
			return false
		}
		n, fault := fmt.Sscan(out[strings.LastIndex(out, word)+len(word):], &seen)
		return n == 1 && fault == nil
	})
	return seen, err
}

// tapOf is the block of one tap.
func tapOf(url string, lines ...string) string {
	return "\t\trabbitmq " + url + " {\n\t\t\t" + strings.Join(lines, "\n\t\t\t") + "\n\t\t}\n"
}

// tapSite is calltap as an operator of OpenStack would run it. taps are made by tapOf.
func tapSite(zipkin, statsd string, taps ...string) siteConfig {
	return siteConfig{
		global: "\tcalltap {\n\t\tzipkin " + zipkin + "\n\t\tstatsd " + statsd + " {\n\t\t\tprefix bench\n\t\t}\n\t\tlink openstack\n" +
			"\t\tkeys {\n\t\t\tuse process_stack nova.api {\n\t\t\t\tstrip /v2.1\n\t\t\t}\n" +
			"\t\t\tuse queue_receive nova.compute {\n\t\t\t\ttopic compute\n\t\t\t}\n" +
			"\t\t\tuse queue_receive nova.conductor {\n\t\t\t\ttopic conductor\n\t\t\t}\n\t\t}\n" +
			strings.Join(taps, "") + "\t}\n",
		handler: "\tcalltap {\n\t\tservice nova-api\n\t}\n",
	}
}

func (s *rpcStage) all() []*rpcSubject {
	all := []*rpcSubject{s.plain, s.control}
	for _, t := range s.taps {
		all = append(all, &t.rpcSubject)
	}
	return all
}

// countAllocations notes what was allocated so far.
func (s *rpcStage) countAllocations(ctx context.Context) error {
	for _, t := range s.taps {
		page, err := t.thawed(ctx)
		if err != nil {
			return err
		}
		events, _ := page.seen()
		t.eventsBefore = float64(events)
		if t.allocations, err = t.site.allocations(ctx); err != nil {
			return err
		}
		t.freeze()
	}
	return nil
}

// thawed lets the tap run and asks for its status.
func (t *rpcTap) thawed(ctx context.Context) (status, error) {
	t.thaw()
	return t.site.status(ctx)
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
	for _, t := range s.taps {
		if t.zipkin != nil {
			t.zipkin.close()
		}
	}
	if s.statsd != nil {
		s.statsd.close()
	}
	if s.up != nil {
		s.up.close()
	}
	if s.node != nil {
		s.node.Shutdown()
	}
}
