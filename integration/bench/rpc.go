package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/calltap/calltap/integration/rabbit"
)

const (
	rpcRounds = 11
	rpcBoots  = 110 // a round; 58 events each, well within the tap's queue of 20,000
	bootSpans = 32  // of a boot's 13 calls and 3 one-way messages, two each
)

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
		if round == 1 {
			err = s.countAllocations(ctx)
		}
		if err = errors.Join(err, r.rpcRound(ctx, s, round > 0)); err != nil {
			return err
		}
	}
	if err := r.reportRPC(ctx, name, s); err != nil {
		return err
	}
	if err := r.sustained(ctx, name, s); err != nil || r.profile == "" {
		return err
	}
	return r.profileRPC(ctx, name, s)
}

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
		if err := x.drain(ctx, 2*s.feed.sent); err != nil {
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
	for _, t := range s.taps {
		show("whole tap, reader "+t.reader+", CPU/event", scale(medianCI(t.cpu, r.rng), 1e6), "us", goal{})
		show("whole tap, reader "+t.reader+" / bare, CPU/event", medianCI(quotients(t.cpu, base), r.rng), "ratio", atMost(t.limit, ""))
	}
	for _, t := range s.taps {
		if err := r.checkTap(ctx, name, s, t); err != nil {
			return err
		}
	}
	return nil
}

// checkTap proves that a tap's spans travelled, and tells what it
// allocated for them: all of the process, Zipkin and StatsD included.
func (r *rig) checkTap(ctx context.Context, name string, s *rpcStage, t *rpcTap) error {
	expect, spans := 2*s.feed.sent, int64(s.feed.next)*bootSpans
	_ = until(ctx, 40*time.Second, "spans", func() bool { return t.zipkin.spans.Load() >= spans })
	page, err := t.site.status(ctx)
	if err != nil {
		return err
	}
	events, made := page.seen()
	now, err := t.site.allocations(ctx)
	if err != nil {
		return err
	}
	counted := events - int64(t.eventsBefore)
	r.board.add(figure{"rpc", name + "reader " + t.reader + ", allocations/event of the whole process",
		(now - t.allocations) / float64(counted), "", atMost(t.allocs, ""), fmt.Sprintf("over %d events", counted)})
	z := page.Pipeline.of("zipkin")
	r.board.add(figure{"rpc", name + "reader " + t.reader + ", spans at Zipkin / spans of the boots", float64(t.zipkin.spans.Load()) / float64(spans), "ratio", atLeast(1, ""),
		fmt.Sprintf("%d of %d; the tap saw %d of %d events, made %d spans; its books: emitted %d, queued %d, dropped %v",
			t.zipkin.spans.Load(), spans, events, expect, made, z.Emitted, z.Queued, z.Dropped)})
	return nil
}

// sustained lets each tap alone drain a full queue, with nothing else to do for the machine but the broker's part of it.
func (r *rig) sustained(ctx context.Context, name string, s *rpcStage) error {
	for _, t := range s.taps {
		for _, x := range s.taps {
			x.freeze()
		}
		page, err := t.thawed(ctx)
		if err != nil {
			return err
		}
		before, _ := page.seen()
		t.freeze()
		if err := s.feed.play(ctx, rpcBoots); err != nil {
			return err
		}
		want := before + int64(rpcBoots*2*len(s.feed.boot))
		begin, cpu := time.Now(), t.process.cpu()
		t.thaw()
		var seen int64
		err = until(ctx, 30*time.Second, "the queue to be drained", func() bool {
			page, fault := t.site.status(ctx)
			seen, _ = page.seen()
			return fault != nil || seen >= want
		})
		if err != nil {
			return err
		}
		took := time.Since(begin).Seconds()
		r.board.add(figure{"rpc", name + "reader " + t.reader + ", rate at which it drains its queue", float64(seen-before) / took, "events/s", goal{},
			fmt.Sprintf("%d events in %.2f s, the tap took %.0f %% of a processor: the rest is the broker's", seen-before, took,
				100*(t.process.cpu()-cpu).Seconds()/took)})
	}
	for _, x := range s.taps {
		x.thaw()
	}
	return nil
}

// profileRPC takes a CPU profile of each tap under load. What it does not take of the processors is the broker's.
func (r *rig) profileRPC(ctx context.Context, name string, s *rpcStage) error {
	if err := os.MkdirAll(r.profile, 0o755); err != nil {
		return err
	}
	for _, t := range s.taps {
		file := filepath.Join(r.profile, "rpc-tap-"+t.reader+fileName(name)+".pprof")
		taken := make(chan error, 1)
		go func() { taken <- t.site.profileCPU(ctx, file, 25) }()
		for profiling := true; profiling; {
			if err := s.feed.play(ctx, rpcBoots); err != nil {
				return err
			}
			select {
			case err := <-taken:
				if err != nil {
					return err
				}
				r.board.remark("rpc", "CPU profile of the tap: %s", file)
				profiling = false
			default:
			}
		}
	}
	return nil
}
