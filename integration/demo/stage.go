package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/ports"
	"github.com/calltap/calltap/integration/rabbit"
)

// stage is all that the demo started.
type stage struct {
	dir     string
	broker  *rabbit.Node
	statsd  *listener
	zipkin  *harness.Zipkin
	apps    []*harness.Process
	apiPort int
	tap     *harness.Calltap
}

func newStage() (*stage, error) {
	dir, err := os.MkdirTemp("", "calltap-demo-")
	return &stage{dir: dir}, err
}

// build starts the parts in the order in which they need each other. strike must follow, also on error.
func (s *stage) build(ctx context.Context, zipkin bool) error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"building calltap", func() error { _, err := harness.Build(s.dir); return err }},
		{"a private RabbitMQ node, with its firehose on", s.startBroker},
		{"an API and two services without tracing code", s.startApps},
		{"the real Zipkin", s.startZipkin},
		{"calltap in front, with Caddyfile.example", s.startCalltap},
	}
	for _, step := range steps {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if step.what == "the real Zipkin" && !zipkin {
			continue
		}
		fmt.Printf("%-48s ", step.what)
		began := time.Now()
		if err := step.do(); err != nil {
			fmt.Println("failed")
			return err
		}
		fmt.Printf("%4.1f s\n", time.Since(began).Seconds())
	}
	return nil
}

// strike ends everything, the last started first, and removes the folder.
func (s *stage) strike() {
	if s.tap != nil {
		s.tap.Stop()
	}
	for _, app := range s.apps {
		app.Kill() // a Python thread that waits for a message would delay a polite end
	}
	if s.zipkin != nil {
		s.zipkin.Kill()
	}
	if s.broker != nil {
		s.broker.Shutdown()
	}
	if s.statsd != nil {
		s.statsd.close()
	}
	_ = os.RemoveAll(s.dir)
}

// tapRights are those of README.md: its own queue, and reading the trace exchange.
var tapRights = []string{`^tap\.`, `^tap\.`, `^(tap\.|amq\.rabbitmq\.trace$)`}

func (s *stage) startBroker() (err error) {
	if s.broker, err = rabbit.Launch(filepath.Join(s.dir, "rabbit")); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"add_user", "tap", "demo"},
		append([]string{"set_permissions", "tap"}, tapRights...),
		{"trace_on"},
	} {
		if _, err := s.broker.Run(command...); err != nil {
			return err
		}
	}
	return nil
}

// startApps prefers the real oslo.messaging; without Python, this binary plays all three parts.
func (s *stage) startApps() error {
	if os.Getenv("DEMO_APPS") != "go" { // the tests try both
		nova, err := harness.StartNova(s.dir, s.broker.URL(), 10)
		if err == nil {
			s.apps = []*harness.Process{nova.API, nova.Conductor, nova.Compute}
			s.apiPort = nova.Port
			return nil
		}
		if !errors.Is(err, harness.ErrMissing) {
			return err
		}
		fmt.Print("(in Go: no Python) ")
	}
	free, err := ports.Free(1)
	if err != nil {
		return err
	}
	s.apiPort = free[0]
	for _, app := range [][]string{{"conductor"}, {"compute"}, {"api", fmt.Sprint(s.apiPort)}} {
		p, err := harness.RunSelf(s.dir, "nova-"+app[0], append(append([]string{"app"}, app...), s.broker.URL())...)
		if err != nil {
			return err
		}
		s.apps = append(s.apps, p)
	}
	return nil
}

func (s *stage) startZipkin() (err error) {
	s.zipkin, err = harness.StartZipkin(s.dir)
	return err
}

func (s *stage) startCalltap() error {
	var err error
	if s.statsd, err = listen(); err != nil {
		return err
	}
	caddyfile, err := os.ReadFile(filepath.Join(harness.Root(), "Caddyfile.example"))
	if err != nil {
		return err
	}
	broker := url.URL{Scheme: "amqp", User: url.UserPassword("tap", "demo"), Host: fmt.Sprintf("127.0.0.1:%d", s.broker.Port), Path: "/"}
	options := harness.Options{
		"CALLTAP_RABBITMQ": broker.String(),
		"CALLTAP_STATSD":   s.statsd.addr(),
		"CALLTAP_API":      fmt.Sprintf("127.0.0.1:%d", s.apiPort),
	}
	if s.zipkin != nil {
		options["CALLTAP_ZIPKIN"] = string(s.zipkin.ZipkinAPI) + "/api/v2/spans"
	}
	s.tap, err = harness.StartCalltap(filepath.Join(s.dir, "calltap"), s.dir, s.adapt(string(caddyfile)), options)
	return err
}

var zipkinLine = regexp.MustCompile(`(?m)^\s*zipkin .*\n`)

// adapt changes two things of the example: the demo is not there for other machines, and it leaves alone
// a Zipkin that it did not start.
func (s *stage) adapt(caddyfile string) string {
	if s.zipkin == nil {
		caddyfile = zipkinLine.ReplaceAllString(caddyfile, "")
	}
	return strings.Replace(caddyfile, "{\n\tcalltap {", "{\n\tdefault_bind 127.0.0.1\n\tcalltap {", 1)
}
