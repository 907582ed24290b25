package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// latencies are what a user waited for, each in the order of the boots.
type latencies struct {
	post, get, active []time.Duration
}

// harmLimit is how much longer the API may take with calltap, as the ratio of the fastest of each: whatever else the
// machine does makes some slower, and what calltap does makes all slower.
const harmLimit = 1.5

// compareLatencies boots servers through calltap, with the firehose on, and around it, with the firehose off, in turns.
func (s *stage) compareLatencies(pairs int) {
	const scenario = "latency"
	s.witness.close() // a second reader of the firehose is not calltap's cost
	var with, without latencies
	defer s.leadThrough(s.cloud)
	for i := range pairs {
		for turn := range 2 {
			traced := (i+turn)%2 == 0 // each goes first as often as the other
			into, lead := &without, s.leadAround
			if traced {
				into, lead = &with, s.leadThrough
			}
			lead(s.cloud)
			err := s.setTracing(traced)
			if err == nil {
				err = s.measure(into, i)
			}
			if err != nil {
				s.check(scenario, "boots", err)
				return
			}
		}
	}
	fmt.Printf("\nlatencies of %d boots each, through calltap with the firehose on ÷ direct with it off (medians)\n", pairs)
	s.compare("POST /servers", with.post, without.post)
	s.compare("GET /servers/{id}", with.get, without.get)
	s.compare("until ACTIVE", with.active, without.active)
}

func (s *stage) compare(what string, with, without []time.Duration) {
	ratio := func(a, b time.Duration) float64 { return float64(a) / float64(b) }
	fastest := ratio(slices.Min(with), slices.Min(without))
	var err error
	if fastest > harmLimit {
		err = fmt.Errorf("more than %.1f", harmLimit)
	}
	s.check("latency", fmt.Sprintf("%-18s %6.0f ms ÷ %6.0f ms = %.2f; of the fastest %.2f", what,
		ms(median(with)), ms(median(without)), ratio(median(with), median(without)), fastest), err)
}

// measure boots one server.
func (s *stage) measure(into *latencies, i int) error {
	began := time.Now()
	id, a, err := s.boot(fmt.Sprintf("latency-%d", i), tiny, "", newRequestID())
	if err != nil {
		return err
	}
	if _, err := s.awaitStatus(id, "ACTIVE", 20*time.Millisecond); err != nil {
		return err
	}
	into.post = append(into.post, a.took)
	into.active = append(into.active, time.Since(began))
	for range 5 {
		shown, err := s.do("nova-api", "GET", "/v2.1/servers/"+id, "", "")
		if err != nil {
			return err
		}
		into.get = append(into.get, shown.took)
	}
	return nil
}

// setTracing switches the broker's firehose by its management API, which is quicker than rabbitmqctl.
func (s *stage) setTracing(on bool) error {
	req, err := http.NewRequest("PUT", s.broker.Management()+"/api/vhosts/%2F", strings.NewReader(fmt.Sprintf(`{"tracing": %t}`, on)))
	if err != nil {
		return err
	}
	req.SetBasicAuth("guest", "guest")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("switching the firehose: %s", resp.Status)
	}
	return nil
}
