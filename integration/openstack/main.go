package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/calltap/calltap/integration/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "openstack:", err)
		os.Exit(1)
	}
}

// run is the whole story.
func run(ctx context.Context) error {
	state := filepath.Join(harness.Root(), ".parts", "openstack")
	if err := step("packages of Debian bookworm", func() error { return packages(ctx, state) }); err != nil {
		return err
	}
	var grown string
	err := step("databases with all schemas", func() (err error) { grown, err = seed(state); return err })
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "calltap-openstack-")
	if err != nil {
		return err
	}
	if os.Getenv("KEEP") == "" {
		defer os.RemoveAll(dir)
	}
	s := &stage{ctx: ctx}
	defer s.strike()
	if err := s.build(dir, state, grown); err != nil {
		return fmt.Errorf("%w\n(logs were in %s; KEEP=1 keeps them)", err, dir)
	}
	s.play()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if s.failed > 0 {
		return fmt.Errorf("%d checks failed", s.failed)
	}
	fmt.Println("\nall checks hold")
	return nil
}

func packages(ctx context.Context, state string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(harness.Root(), "integration", "openstack", "packages.sh"), state)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// build starts everything. strike must follow, also on error.
func (s *stage) build(dir, state, grown string) error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"MariaDB and RabbitMQ", func() (err error) { s.cloud, err = newCloud(dir, state, grown); return err }},
		{"calltap, Zipkin and StatsD", func() (err error) { s.observer, err = startObserver(s.cloud); return err }},
		{"keystone, glance, placement and nova", func() (err error) {
			s.leadThrough(s.cloud)
			s.client, err = s.cloud.start(s.ctx)
			return err
		}},
		{"a witness", func() (err error) { s.witness, err = startWitness(s.broker.URL()); return err }},
	}
	for _, next := range steps {
		if s.ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err := step(next.what, next.do); err != nil {
			return err
		}
	}
	return s.await(s.ctx, "the tap", s.tapped)
}

// step does something that takes a while, and says so.
func step(what string, do func() error) error {
	fmt.Printf("%-40s ", what)
	began := time.Now()
	if err := do(); err != nil {
		fmt.Println("failed")
		return err
	}
	fmt.Printf("%5.1f s\n", time.Since(began).Seconds())
	return nil
}

// play runs the scenarios, one after the other.
func (s *stage) play() {
	fmt.Println()
	if !s.firstBoots() {
		return
	}
	single := s.singleBoot()
	if single.trace == nil {
		return
	}
	boots := append([]booted{single}, s.parallelBoots()...)
	s.callDiagnostics("diagnostics", single.server, newRequestID())
	s.stopAndStart(single.server)
	s.failingBoot()
	s.timeout(single.server)
	s.unidentified()
	s.ignorant(single.server)
	s.checkMetrics()
	s.compareLengths(boots)
	s.compareLatencies(8)
	fmt.Printf("\nthe trace of the boot, ms since its beginning:\n%s", single.trace.tree())
}

// strike ends everything, the last started first.
func (s *stage) strike() {
	if s.witness != nil {
		s.witness.close()
	}
	if s.observer != nil {
		s.observer.stop()
	}
	if s.cloud != nil {
		s.cloud.stop()
	}
}
