package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Names of nova's services as a person would look for them.
var bootServices = []string{"nova-api", "nova-conductor", "nova-scheduler", "nova-compute", "glance", "placement"}

// build is the cast that starts a virtual machine.
const build = "build_and_run_instance"

// booted is one boot and what came of it.
type booted struct {
	server    string
	requestID string // of the client
	computeID string // of nova
	took      time.Duration
	trace     trace
}

// bootOne boots a server and waits until it runs.
func (s *stage) bootOne(name, host, requestID string) (b booted, err error) {
	began := time.Now()
	id, answered, err := s.boot(name, tiny, host, requestID)
	if err != nil {
		return b, err
	}
	b = booted{server: id, requestID: requestID, computeID: answered.header.Get("X-Compute-Request-Id")}
	_, err = s.awaitStatus(id, "ACTIVE", 100*time.Millisecond)
	b.took = time.Since(began)
	return b, err
}

// foreign is the RPC of a boot whose request id is that of the compute's start. Each boot has one.
const foreign = "ComputeNode.save"

// want is the trace of a boot.
func (b booted) want() expected {
	return expected{root: "post /v2.1/servers", id: b.computeID, extra: []string{foreign}, calls: bootServices}
}

// firstBoots boots one server on each host and waits until calltap has seen the end of its build. In the first seconds of a program
// calltap does not know its name yet, nor its heartbeat from other ids of its start: these boots are not judged.
func (s *stage) firstBoots() bool {
	for _, host := range slices.Sorted(maps.Keys(computes)) {
		scenario := "first boot on " + host
		b, err := s.bootOne("first-on-"+host, host, newRequestID())
		if !s.check(scenario, fmt.Sprintf("ACTIVE after %.1f s", b.took.Seconds()), err) {
			return false
		}
		err = s.await(s.ctx, "its trace", func() error {
			spans, err := s.zipkin.Trace(traceIDOf(b.requestID))
			if err == nil {
				_, err = trace(spans).find("CONSUMER", build)
			}
			return err
		})
		if !s.check(scenario, "traced", err) {
			return false
		}
	}
	return true
}

func (s *stage) singleBoot() (b booted) {
	const scenario = "boot"
	b, err := s.bootOne("single", "", newRequestID())
	if !s.check(scenario, fmt.Sprintf("ACTIVE after %.1f s", b.took.Seconds()), err) {
		return b
	}
	b.trace, _ = s.traced(scenario, traceIDOf(b.requestID), b.want())
	s.checkBuild(scenario, b.trace)
	return b
}

// checkBuild looks at the compute's work: it hangs below the cast that began it, which has an inferred end.
func (s *stage) checkBuild(scenario string, t trace) {
	work, err := t.find("CONSUMER", build)
	if err == nil {
		err = t.below(work, "nova-compute")
	}
	if err == nil && (work.Tags["calltap.end"] != "inferred" || work.Duration == 0) {
		err = errors.New("it has no inferred end")
	}
	s.check(scenario, fmt.Sprintf("the compute's calls are below %s, %.0f ms long", build, length(work).Seconds()*1000), err)
}

// parallelBoots boots five servers at once. Where two are built on one host at the same time, nothing in a message under a
// foreign id tells which of them it is for, and the guess may be wrong. So those are counted over all five.
func (s *stage) parallelBoots() []booted {
	const n = 5
	all, errs := make([]booted, n), make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { all[i], errs[i] = s.bootOne(fmt.Sprintf("parallel-%d", i), "", newRequestID()) })
	}
	wait.Wait()
	if !s.check("parallel boots", fmt.Sprintf("%d ACTIVE", n), errors.Join(errs...)) {
		return nil
	}
	var each []int
	for i := range all {
		scenario := fmt.Sprintf("parallel boot %d of %d", i+1, n)
		want := all[i].want()
		want.extra, want.any = nil, strings.ToLower(foreign)
		all[i].trace, _ = s.traced(scenario, traceIDOf(all[i].requestID), want)
		s.checkBuild(scenario, all[i].trace)
		each = append(each, all[i].trace.count(want.any))
	}
	s.check("parallel boots", fmt.Sprintf("each %s is in one of them: %d", foreign, each), sumIs(n, each))
	return all
}

func sumIs(want int, each []int) error {
	sum := 0
	for _, n := range each {
		sum += n
	}
	if sum != want {
		return fmt.Errorf("%d in all, not %d", sum, want)
	}
	return nil
}

func (s *stage) stopAndStart(server string) {
	for _, step := range []struct{ scenario, body, status string }{
		{"stop", `{"os-stop": null}`, "SHUTOFF"},
		{"start", `{"os-start": null}`, "ACTIVE"},
	} {
		id := newRequestID()
		a, err := s.act(server, step.body, id)
		if err == nil {
			_, err = s.awaitStatus(server, step.status, 100*time.Millisecond)
		}
		if s.check(step.scenario, step.status, err) {
			s.traced(step.scenario, traceIDOf(id), actionTrace(a, "nova-api", "nova-compute", "nova-conductor"))
		}
	}
}

// act has nova do something with a server.
func (s *stage) act(server, body, requestID string) (*answer, error) {
	return s.do("nova-api", "POST", "/v2.1/servers/"+server+"/action", requestID, body)
}

func actionTrace(a *answer, services ...string) expected {
	return expected{
		root: "post /v2.1/servers/{id}/action", id: a.header.Get("X-Compute-Request-Id"), calls: services,
	}
}

// failingBoot asks for a disk that no host has.
func (s *stage) failingBoot() {
	const scenario = "boot without a host"
	id := newRequestID()
	server, a, err := s.boot("huge", hugeDisk, "", id)
	if err == nil {
		err = s.awaitError(server)
	}
	if !s.check(scenario, "ERROR", err) {
		return
	}
	t, _ := s.traced(scenario, traceIDOf(id), expected{
		root: "post /v2.1/servers", id: a.header.Get("X-Compute-Request-Id"),
		calls: []string{"nova-api", "nova-conductor", "nova-scheduler", "placement"},
	})
	call, err := t.find("CLIENT", "select_destinations")
	if err == nil && call.Tags["error"] != "NoValidHost" {
		err = fmt.Errorf("the error is %q", call.Tags["error"])
	}
	s.check(scenario, "select_destinations failed with NoValidHost", err)
}

func (s *stage) awaitError(server string) error {
	return s.await(s.ctx, "the boot", func() error {
		shown, err := s.server(server)
		if err == nil && shown.Status != "ERROR" {
			err = errors.New(shown.Status)
		}
		return err
	})
}

// callDiagnostics makes a call from nova-api to the compute that a user waits for.
func (s *stage) callDiagnostics(scenario, server, requestID string) {
	a, err := s.do("nova-api", "GET", "/v2.1/servers/"+server+"/diagnostics", requestID, "")
	if !s.check(scenario, "200", err) {
		return
	}
	want := actionTrace(a, "nova-api", "nova-compute")
	want.root = "get /v2.1/servers/{id}/diagnostics"
	if id, ok := s.traceOf(scenario, want.id); ok {
		s.traced(scenario, id, want)
	}
}

// timeout stops the compute's process while a user asks it for a server's console.
func (s *stage) timeout(server string) {
	const scenario = "call that times out"
	shown, err := s.server(server)
	if !s.check(scenario, "on "+shown.Host, err) {
		return
	}
	compute := s.daemons["nova-"+shown.Host]
	id := newRequestID()
	if err = compute.Signal(syscall.SIGSTOP); err != nil {
		s.check(scenario, "stopping the compute", err)
		return
	}
	a, err := s.act(server, `{"os-getConsoleOutput": {"length": 5}}`, id)
	err = errors.Join(compute.Signal(syscall.SIGCONT), statusIs(a, err, http.StatusInternalServerError))
	if !s.check(scenario, "500", err) {
		return
	}
	want := actionTrace(a, "nova-api", "nova-compute")
	t, _ := s.traced(scenario, traceIDOf(id), want)
	call, err := t.find("CLIENT", "get_console_output")
	if err == nil && (call.Tags["error"] != "timeout" || length(call).Round(time.Second) != 10*time.Second) {
		err = fmt.Errorf("error %q after %s", call.Tags["error"], length(call))
	}
	s.check(scenario, "the call is a timeout of 10 s", err)
	served, err := t.find("SERVER", "get_console_output")
	if err == nil && served.Tags["rpc.late"] == "" {
		err = fmt.Errorf("no sign of it: %v", served.Tags)
	}
	s.check(scenario, "its late reply shows", err)
	s.check(scenario, "nova's services are up again", s.await(s.ctx, "nova's services", s.allUp))
}

// statusIs turns the refusal that a scenario wants into success.
func statusIs(a *answer, err error, status int) error {
	if a == nil {
		return err
	}
	if a.status != status {
		return fmt.Errorf("HTTP status %d: %.200s", a.status, a.body)
	}
	return nil
}

// unidentified boots a server for a client that sends no request id.
func (s *stage) unidentified() {
	const scenario = "client without an id"
	b, err := s.bootOne("unidentified", "", "")
	if !s.check(scenario, "ACTIVE", err) {
		return
	}
	if id, ok := s.traceOf(scenario, b.computeID); ok {
		t, _ := s.traced(scenario, id, b.want())
		s.checkBuild(scenario, t)
	}
}

// ignorant makes a call on a nova that never sees X-OpenStack-Request-ID: the id that its response shows is all
// that leads from the RPC to the HTTP request.
func (s *stage) ignorant(server string) {
	const scenario = "nova without the id"
	caddyfile, err := example()
	if err == nil {
		err = s.rewrite(withoutIDs(caddyfile))
	}
	if s.check(scenario, "reloaded", err) {
		s.callDiagnostics(scenario, server, "")
	}
	s.check(scenario, "reloaded again", s.rewrite(caddyfile))
}

func (s *stage) rewrite(caddyfile string) error {
	return errors.Join(s.Write(caddyfile), s.Reload())
}

// traceOf looks a trace up by the only id that every user is told, nova's, which Zipkin finds as a tag.
func (s *stage) traceOf(scenario, computeID string) (id string, ok bool) {
	err := s.await(s.ctx, "a trace", func() error {
		traces, err := s.zipkin.Traces(url.Values{"annotationQuery": {"openstack.request_id=" + computeID}})
		if err != nil {
			return err
		}
		if len(traces) != 1 {
			return fmt.Errorf("%d traces have %s", len(traces), computeID)
		}
		id = traces[0][0].TraceID
		return nil
	})
	return id, s.check(scenario, "nova's request id leads to one trace", err)
}
