package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/harness"
)

// patience is how long a trace may take to be whole: the end of a cast shows when nothing more came for 5 s, that of a
// call whose reply is missing a minute after its timeout.
const patience = 30 * time.Second

// report prints one line a check and counts those that failed.
type report struct {
	failed int
}

// check tells whether something holds, and says it in either case.
func (r *report) check(scenario, what string, err error) bool {
	if err != nil {
		r.failed++
		fmt.Printf("FAIL  %-24s %s: %v\n", scenario, what, err)
		return false
	}
	fmt.Printf("ok    %-24s %s\n", scenario, what)
	return true
}

// stage is what the scenarios play on.
type stage struct {
	*cloud
	*client
	*observer
	*witness
	report
	ctx context.Context
}

// expected is what the trace of one request must be, and must not be less or more.
type expected struct {
	root  string   // name of the root span
	id    string   // nova's request id, which is in all RPC
	extra []string // RPC under a foreign request id
	any   string   // RPC of which it may have any number
	calls []string // services that must show
	lost  bool     // a call's reply is missing, or its receiver
}

// verify compares a trace with what the witness and the services' logs say.
func (s *stage) verify(t trace, want expected) error {
	root, err := t.root()
	if err != nil {
		return err
	}
	if root.Name != want.root || root.Local.ServiceName != "nova-api" {
		return fmt.Errorf("the root is %s %s, not nova-api %s", root.Local.ServiceName, root.Name, want.root)
	}
	if !want.lost {
		if err := t.received(); err != nil {
			return err
		}
	}
	rpc := append(s.of(want.id), want.extra...)
	return errors.Join(
		differ("RPC", slices.DeleteFunc(t.sent(), func(name string) bool { return name == want.any }), lower(rpc)),
		differ("HTTP", t.requests(), s.requestsOf(want.id, requestIDOf(root.TraceID))),
		covers(t.services(), want.calls),
	)
}

// traced waits until the trace is as expected, and returns it in either case.
func (s *stage) traced(scenario, id string, want expected) (t trace, ok bool) {
	var err error
	for deadline := time.Now().Add(patience); ; {
		var spans []harness.Span
		if spans, err = s.zipkin.Trace(id); err == nil {
			t = spans
			err = s.verify(t, want)
		}
		if err == nil || time.Now().After(deadline) || s.ctx.Err() != nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	what := fmt.Sprintf("one trace: %d spans, %d HTTP, %d RPC, %d parents guessed", len(t), len(t.requests())+1, len(t.sent()), t.guessed())
	ok = s.check(scenario, what, err)
	if !ok {
		fmt.Print(t.tree())
	}
	return t, ok
}

// differ tells what two sorted lists do not share.
func differ(what string, got, want []string) error {
	count := make(map[string]int)
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		count[g]--
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		switch n := count[name]; {
		case n > 0:
			wrong = append(wrong, fmt.Sprintf("%d × %s missing", n, name))
		case n < 0:
			wrong = append(wrong, fmt.Sprintf("%d × %s too many", -n, name))
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", what, strings.Join(wrong, ", "))
}

func covers(got, want []string) error {
	for _, w := range want {
		if !slices.Contains(got, w) {
			return fmt.Errorf("no service %s among %v", w, got)
		}
	}
	return nil
}

// checkMetrics looks whether StatsD got a timer of each kind: HTTP of a front API and of one behind it, a call that is named
// after its object, and a cast.
func (s *stage) checkMetrics() {
	const scenario = "statsd"
	timers, err := s.statsd.Timers()
	if !s.check(scenario, fmt.Sprintf("%d timers", len(timers)), err) {
		return
	}
	for _, name := range []string{
		"openstack.nova-api.v2_1.servers.create.POST", "openstack.glance.v2.images.show.GET",
		"openstack.nova.conductor.Instance.save", "openstack.nova.conductor.ComputeNode.save",
		"openstack.nova.scheduler.select_destinations", "openstack.nova.compute." + build,
	} {
		var err error
		if timers[name].Count == 0 {
			err = fmt.Errorf("not among %s", strings.Join(slices.Sorted(maps.Keys(timers)), " "))
		}
		s.check(scenario, name, err)
	}
}

// lower is what Zipkin makes of names.
func lower(names []string) (all []string) {
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	return all
}
