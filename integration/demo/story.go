package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/harness"
)

// patience is how long the demo waits for what takes well under a second on an idle machine.
const patience = 20 * time.Second

// tell sends requests and shows what calltap made of them. It fails unless one trace holds the HTTP
// request and all RPC that it caused.
func (s *stage) tell() error {
	fmt.Printf("\nPOST %s/v2.1/servers: the API calls the conductor, which calls the compute and casts to it\n", s.tap.URL())
	trace, err := s.traced("POST", "/v2.1/servers", `{"server": {"name": "demo"}}`)
	if err != nil {
		return err
	}
	for _, more := range [][3]string{
		{"GET", "/v2.1/servers/7d0f2c8e-4f4e-4a3e-9b57-0e6f1c1c5d11", ""},
		{"POST", "/v2.1/servers/7d0f2c8e-4f4e-4a3e-9b57-0e6f1c1c5d11/action", `{"reboot": {}}`},
	} {
		if err := s.request(more[0], more[1], more[2]); err != nil {
			return err
		}
	}
	tree, err := s.tap.Command("trace", "show", trace)
	if err != nil {
		return err
	}
	fmt.Printf("\n$ calltap trace show %s\n%s", trace, tree)

	fmt.Println("\nStatsD received:")
	lines, err := s.metrics()
	for _, line := range lines {
		fmt.Println("   ", line)
	}
	return err
}

// traced sends one request and returns the id of its trace once that is whole.
func (s *stage) traced(method, path, body string) (string, error) {
	if err := s.awaitTap(); err != nil {
		return "", err
	}
	if err := s.request(method, path, body); err != nil {
		return "", err
	}
	var trace string
	err := await(func() error {
		traces, err := s.tap.Store().Traces(nil)
		if err != nil {
			return err
		}
		for _, spans := range traces {
			if err = whole(spans); err == nil {
				trace = spans[0].TraceID
				return nil
			}
		}
		return fmt.Errorf("no whole trace yet among %d: %w", len(traces), err)
	})
	return trace, err
}

// whole says what is missing from the trace of a created server.
func whole(spans []harness.Span) error {
	ids := make(map[string]bool)
	kinds := make(map[string]int)
	for _, span := range spans {
		ids[span.ID] = true
		kinds[span.Kind]++
	}
	for _, span := range spans {
		if span.ParentID != "" && !ids[span.ParentID] {
			return fmt.Errorf("span %s hangs loose", span.Name)
		}
	}
	// HTTP; build, prepare and update, each called and served; the cast, sent and received.
	if kinds["SERVER"] < 4 || kinds["CLIENT"] < 3 || kinds["PRODUCER"] < 1 || kinds["CONSUMER"] < 1 {
		return fmt.Errorf("only these spans: %v", kinds)
	}
	return nil
}

func (s *stage) request(method, path, body string) error {
	req, err := http.NewRequest(method, s.tap.URL()+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}

// metrics waits for the timers of all three requests and returns what came.
func (s *stage) metrics() (lines []string, err error) {
	err = await(func() error {
		lines = s.statsd.received()
		for _, part := range []string{"servers", "run_instance", "reboot", "|ms", "|c"} {
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, part) }) {
				return fmt.Errorf("no metric with %s yet", part)
			}
		}
		return nil
	})
	return lines, err
}

// awaitTap waits until the tap's queue has its consumer.
func (s *stage) awaitTap() error {
	return await(func() error {
		consumers, err := s.broker.Run("list_consumers", "queue_name")
		if err == nil && !strings.Contains(consumers, "tap.") {
			err = errors.New("calltap does not listen to the broker yet")
		}
		return err
	})
}

func await(check func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *stage) showAround() {
	fmt.Printf(`
It goes on until Ctrl-C. Try:
    curl -X POST %[1]s/v2.1/servers -d '{}'
    %[2]s/calltap trace list --url %[3]s/calltap
    curl %[3]s/calltap/status
`, s.tap.URL(), s.dir, s.tap.AdminURL())
	if s.zipkin != nil {
		fmt.Printf("    %s/zipkin/ in a browser\n", s.zipkin.ZipkinAPI)
	}
	fmt.Printf("Logs and the Caddyfile are in %s.\n", s.dir)
}
