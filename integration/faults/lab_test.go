package faults

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// patience is how long the tests wait for what takes some seconds at most on an idle machine.
const patience = 2 * time.Minute

// long is true of a run that has the time to wait for what takes half a minute or more.
var long = os.Getenv("CALLTAP_LONG") != ""

// tapPassword is also a canary: it must never show up in anything that calltap prints.
const tapPassword = "tap-password-canary"

// shared is started on first use, and ended after the last test.
var shared struct {
	dir    string
	once   sync.Once
	bin    string
	broker *rabbit.Node
	statsd *harness.StatsD
	err    error
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(withParts{m}) }

type withParts struct{ m *testing.M }

func (w withParts) Run() int {
	var err error
	if shared.dir, err = os.MkdirTemp("", "calltap-faults-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(shared.dir)
	code := w.m.Run()
	if shared.statsd != nil {
		shared.statsd.Kill()
	}
	if shared.broker != nil {
		shared.broker.Crash() // it goes with its folder
	}
	return code
}

// start builds calltap with the race detector, and starts a broker with the management API, and StatsD.
func start() error {
	var wait sync.WaitGroup
	var errs [3]error
	wait.Go(func() { shared.bin, errs[0] = harness.Build(shared.dir, "-race") })
	wait.Go(func() { shared.statsd, errs[1] = harness.StartStatsD(shared.dir) })
	wait.Go(func() {
		if shared.broker, errs[2] = rabbit.Launch(filepath.Join(shared.dir, "rabbit"), "rabbitmq_management"); errs[2] == nil {
			errs[2] = addTap(shared.broker)
		}
	})
	wait.Wait()
	err := errors.Join(errs[:]...)
	if errors.Is(err, rabbit.ErrNotInstalled) {
		err = fmt.Errorf("%w: %w", harness.ErrMissing, err)
	}
	return err
}

// parts starts what all tests share.
func parts(t testing.TB) {
	t.Helper()
	shared.once.Do(func() { shared.err = start() })
	harness.Need(t, shared.err)
}

// theBroker is the shared one.
func theBroker(t testing.TB) *rabbit.Node {
	t.Helper()
	parts(t)
	return shared.broker
}

// addTap makes the tap's user, who may also ask the management API. Its rights come with a vhost.
func addTap(node *rabbit.Node) error {
	return node.Ask(http.MethodPut, "/api/users/tap", map[string]any{"password": tapPassword, "tags": "monitoring"}, nil)
}

// newVHost makes a vhost for this test alone, with its firehose on, where the tap has the rights that docs/rabbitmq.md gives it.
func newVHost(t testing.TB, node *rabbit.Node) string {
	t.Helper()
	name := nameOf(t)
	node.AddVHost(t, name, true)
	node.Allow(t, name, "tap", rabbit.Tap)
	return name
}

// caddyfile is what an operator would write. WORDS are the tap's, as the test wants them.
const caddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		statsd {$STATSD} {
			prefix {$PREFIX}
		}
		store
		link openstack
		keys {
			use queue_receive nova.compute {
				topic compute
			}
		}
		rabbitmq {$RABBITMQ} {
			WORDS
		}
	}
}
http://:{$HTTP_PORT} {
	calltap {
		service site
	}
	reverse_proxy {$API}
}
`

// startTap runs calltap on the broker at address with the words of its rabbitmq block. At the test's end it stops it as an operator
// would, and looks through all that it printed for races, panics and secrets.
func startTap(t testing.TB, address string, words ...string) *harness.Calltap {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	t.Cleanup(api.Close)
	c, err := harness.StartCalltap(shared.bin, t.TempDir(), with(words...), harness.Options{
		"STATSD": shared.statsd.Addr(), "PREFIX": nameOf(t), "RABBITMQ": address, "API": strings.TrimPrefix(api.URL, "http://"),
	})
	require.NoError(t, err)
	harness.ShowOnFailure(t, c.Process)
	t.Cleanup(func() {
		c.Stop()
		for _, bad := range []string{"DATA RACE", "panic", "canary"} {
			if strings.Contains(c.Output(), bad) {
				t.Errorf("calltap printed %q", bad)
			}
		}
	})
	return c
}

// with is the Caddyfile with these words for the tap.
func with(words ...string) string {
	return strings.Replace(caddyfile, "WORDS", strings.Join(words, "\n\t\t\t"), 1)
}

// addressOf is how the tap reaches a vhost, at a port of the loopback.
func addressOf(port int, vhost string) string {
	return (&url.URL{Scheme: "amqp", User: url.UserPassword("tap", tapPassword), Host: fmt.Sprintf("127.0.0.1:%d", port), Path: "/" + vhost}).String()
}

// nameOf is a name that only this test uses: of its vhost, and as StatsD prefix.
func nameOf(t testing.TB) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-", "#", "-").Replace(t.Name()))
}
