package integration

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// lab is what the tests share: parts that take seconds to start and that no test harms.
type lab struct {
	broker *rabbit.Node
	vhost  string // of the broker; "" is the default one
	zipkin *harness.Zipkin
	statsd *harness.StatsD
	nova   *harness.Nova
}

// shared holds what is started on first use, and ended after the last test.
var shared struct {
	dir string

	binary    sync.Once
	bin       string
	binaryErr error

	parts    sync.Once
	lab      lab
	partsErr error
}

// callTimeout is the API's, in seconds, of calls that may not be answered.
const callTimeout = 4

// tapPassword is the tap's, and a canary: it must never show up in anything that calltap prints.
const tapPassword = "tap-password-canary"

// TestMain lets goleak look only after the parts are ended, since a running one has a goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(session{m}) }

type session struct{ m *testing.M }

func (s session) Run() int {
	var err error
	if shared.dir, err = os.MkdirTemp("", "calltap-integration-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(shared.dir)
	defer shared.lab.stop()
	return s.m.Run()
}

func (l *lab) stop() {
	l.nova.Stop()
	if l.zipkin != nil {
		l.zipkin.Kill() // it keeps nothing, so it need not be asked
	}
	if l.statsd != nil {
		l.statsd.Kill()
	}
	if l.broker != nil {
		l.broker.Crash() // it goes with its folder
	}
}

// binary returns calltap, built once with the race detector.
func binary(t testing.TB) string {
	t.Helper()
	shared.binary.Do(func() { shared.bin, shared.binaryErr = harness.Build(shared.dir, "-race") })
	require.NoError(t, shared.binaryErr)
	return shared.bin
}

// theLab returns the shared parts, all running.
func theLab(t testing.TB) *lab {
	t.Helper()
	binary(t)
	shared.parts.Do(func() { shared.partsErr = shared.lab.start(shared.dir) })
	if errors.Is(shared.partsErr, rabbit.ErrNotInstalled) {
		shared.partsErr = fmt.Errorf("%w: %w", harness.ErrMissing, shared.partsErr)
	}
	harness.Need(t, shared.partsErr)
	l := &shared.lab
	harness.ShowOnFailure(t, l.nova.API, l.nova.Conductor, l.nova.Compute)
	return l
}

func (l *lab) start(dir string) error {
	var wait sync.WaitGroup
	var zipkinErr, statsdErr error
	wait.Go(func() { l.zipkin, zipkinErr = harness.StartZipkin(dir) })
	wait.Go(func() { l.statsd, statsdErr = harness.StartStatsD(dir) })
	var brokerErr error
	l.broker, brokerErr = rabbit.Launch(filepath.Join(dir, "rabbit"), "rabbitmq_management")
	wait.Wait()
	if err := errors.Join(brokerErr, zipkinErr, statsdErr); err != nil {
		return err
	}
	if err := allowTap(l.broker, "/"); err != nil {
		return err
	}
	var err error
	l.nova, err = harness.StartNova(dir, l.broker.URL(), callTimeout)
	return err
}

// allowTap makes the tap's user with the rights that README.md gives it, and switches the firehose on.
func allowTap(broker *rabbit.Node, vhost string) error {
	for _, command := range [][]string{
		{"add_user", "tap", tapPassword},
		{"set_permissions", "-p", vhost, "tap", `^tap\.`, `^tap\.`, `^(tap\.|amq\.rabbitmq\.trace$)`},
		{"trace_on", "-p", vhost},
	} {
		if _, err := broker.Run(command...); err != nil {
			return err
		}
	}
	return nil
}

// ownVHost gives a test a vhost of the shared broker to itself, so that it runs in parallel with others.
func ownVHost(t *testing.T, rights rabbit.Rights) *lab {
	t.Helper()
	t.Parallel()
	l := *theLab(t)
	l.vhost = service(t)
	l.broker.AddVHost(t, l.vhost, rights == rabbit.Tap)
	l.broker.Allow(t, l.vhost, "tap", rights)
	return &l
}

// url is the vhost's, for the programs under watch.
func (l *lab) url() string { return l.broker.URL() + l.vhost }

// options is what every Caddyfile here may refer to.
func (l *lab) options() harness.Options {
	return harness.Options{
		"ZIPKIN":       fmt.Sprintf("http://127.0.0.1:%d", l.zipkin.Port),
		"STATSD":       l.statsd.Addr(),
		"RABBITMQ":     tapURL(l.broker) + l.vhost,
		"API":          fmt.Sprintf("127.0.0.1:%d", l.nova.Port),
		"TAP_PASSWORD": tapPassword,
	}
}

func tapURL(broker *rabbit.Node) string {
	return (&url.URL{
		Scheme: "amqp",
		User:   url.UserPassword("tap", tapPassword),
		Host:   fmt.Sprintf("127.0.0.1:%d", broker.Port),
		Path:   "/",
	}).String()
}
