package integration

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

var rerecord = flag.Bool("record", false, "record anew what Moleculer and Spring AMQP send; -update makes the goldens of it")

// foreignCaddyfile is what an operator would write to see RPC alone.
const foreignCaddyfile = `{
	default_bind 127.0.0.1
	persist_config off
	calltap {
		store
		rabbitmq {$RABBITMQ} {
			firehose
			quiet 2s
			dialects {$DIALECTS}
		}
	}
}
`

// foreign is a vhost of its own, watched by a calltap of its own.
type foreign struct {
	tap *harness.Calltap
	url string // of the vhost, for the program under watch
}

func startForeign(t *testing.T, dialects string) foreign {
	t.Helper()
	l := ownVHost(t, rabbit.Tap)
	options := l.options()
	options["DIALECTS"] = dialects
	c := start(t, foreignCaddyfile, options)
	awaitTap(t, c)
	return foreign{tap: c, url: l.url()}
}

// recording records the vhost into a file if the test was asked to, until the returned function is called. The programs' secrets are
// canaries, so that nothing need be blanked; lines that tell of the machine rather than of the RPC are left out.
func (f foreign) recording(t *testing.T, file string, leaveOut ...string) (finish func()) {
	t.Helper()
	if !*rerecord {
		return func() {}
	}
	raw := filepath.Join(t.TempDir(), "raw.jsonl")
	url := strings.Replace(f.url, "guest:guest", "tap:"+tapPassword, 1)
	p, err := harness.Run(harness.Spec{
		Name: "record", Path: binary(t), Dir: t.TempDir(), Args: []string{"record", url, "--raw", "--for", "1m", "-o", raw},
		Ready: func(output string) bool { return strings.Contains(output, "recording the") },
	})
	require.NoError(t, err)
	return func() {
		require.NoError(t, p.Signal(syscall.SIGTERM))
		_, err := p.Wait(patience)
		require.NoError(t, err)
		all, err := os.ReadFile(raw)
		require.NoError(t, err)
		var kept []byte
		for line := range bytes.Lines(all) {
			if !containsAny(line, leaveOut) {
				kept = append(kept, line...)
			}
		}
		require.NoError(t, os.WriteFile(file, kept, 0o644))
	}
}

func containsAny(line []byte, words []string) bool {
	for _, w := range words {
		if bytes.Contains(line, []byte(w)) {
			return true
		}
	}
	return false
}

// A Moleculer application in both of its ways over a broker: nodes chosen by Moleculer, and by the broker.
func TestMoleculerCallsAndEventsAreOneTree(t *testing.T) {
	for _, way := range []string{"direct", "balanced"} {
		t.Run(way, func(t *testing.T) {
			f := startForeign(t, "moleculer plain")
			finish := f.recording(t, "testdata/moleculer/"+way+".jsonl", `.INFO"`, `.INFO.`)
			printed, err := harness.RunMoleculer(t.TempDir(), f.url, way)
			harness.Need(t, err)
			finish()
			require.JSONEq(t, `{"hello": {"result": "hello bob"}, "lookup": {"error": "NoSuchNameError", "code": 404},
				"slow": {"error": "RequestTimeoutError", "code": 504}, "events": ["greeted", "said"]}`, printed)

			trace := awaitTrace(t, f.tap.Store(), "math", 8)
			require.Equal(t, `CLIENT api hello
  SERVER greeter hello
    CLIENT greeter add
      SERVER math add
    PRODUCER greeter greeter.greeted
      CONSUMER audit greeter.greeted
    PRODUCER greeter greeter.said
      CONSUMER audit greeter.said
`, drawing(trace))
			require.Equal(t, "moleculer", trace[0].Tags["rpc.system"])
			requireTimesNest(t, trace)
			requireNoSecrets(t, trace)
			require.Equal(t, "NoSuchNameError", f.errorOf(t, "lookup"))
			require.Contains(t, []string{"timeout", "RequestTimeoutError"}, f.errorOf(t, "slow"),
				"the caller had told how long it would wait, and the server, which knows it too, says so at the same moment")
			requireAllRead(t, f.tap)
		})
	}
}

// Spring sends a class with each object, text without a mark, exceptions if it is told to, and waits for replies in four ways.
func TestSpringCallsArePairedHoweverTheReplyComesBack(t *testing.T) {
	f := startForeign(t, "spring direct plain")
	finish := f.recording(t, "testdata/spring/templates.jsonl")
	printed, err := harness.RunSpring(t.TempDir(), f.url)
	harness.Need(t, err)
	finish()
	require.Equal(t, `text, direct: hello bob
java, direct: Receipt[price=21]
fails, direct: OutOfStockException
json, direct: Receipt[price=21]
fails in JSON, direct: Receipt[price=0]
silent, direct: null
json, temporary queue: Receipt[price=21]
json, fixed queue: Receipt[price=21]
json, async: Receipt[price=21]
note: taken
`, printed)
	for service, calls := range map[string]int{"shop.text": 1, "shop.java": 1, "shop.json": 4, "shop.fails": 1, "shop.fails.json": 1} {
		harness.Eventually(t, patience, func() error {
			servers := f.spans(t, service, "SERVER")
			if len(servers) != calls {
				return fmt.Errorf("%d of %d calls of %s have ended", len(servers), calls, service)
			}
			for _, s := range servers {
				require.Positive(t, s.Duration, service)
				requireNoSecrets(t, []harness.Span{s})
			}
			return nil
		})
	}
	require.Equal(t, "Rpc$OutOfStockException", f.errorOf(t, "shop.fails"))
	require.Equal(t, "failure", f.errorOf(t, "shop.fails.json"), "which Spring's own caller took for a receipt of 0")
	requireAllRead(t, f.tap)
}

// spans returns those of a kind that a service sent.
func (f foreign) spans(t *testing.T, service, kind string) (found []harness.Span) {
	t.Helper()
	traces, err := f.tap.Store().Traces(map[string][]string{"serviceName": {service}, "limit": {"1000"}})
	require.NoError(t, err)
	for _, trace := range traces {
		for _, s := range trace {
			if s.Kind == kind && s.Local.ServiceName == service {
				found = append(found, s)
			}
		}
	}
	return found
}

// errorOf awaits the only call of an action, or to a service, and returns its error.
func (f foreign) errorOf(t *testing.T, name string) (class string) {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		traces, err := f.tap.Store().Traces(map[string][]string{"limit": {"1000"}})
		require.NoError(t, err)
		for _, trace := range traces {
			for _, s := range trace {
				if s.Kind == "CLIENT" && (s.Name == name || s.Remote.ServiceName == name) {
					class = s.Tags["error"]
					return nil
				}
			}
		}
		return fmt.Errorf("no call of %s has ended", name)
	})
	return class
}

// requireAllRead: a body that a dialect could not use would be missing in silence.
func requireAllRead(t *testing.T, c *harness.Calltap) {
	t.Helper()
	s, err := c.Status()
	require.NoError(t, err)
	verdicts := s.Sources[0].Status["dialects"].(map[string]any)
	require.NotEmpty(t, verdicts)
	for dialect, counts := range verdicts {
		for verdict := range counts.(map[string]any) {
			require.Contains(t, []string{"decoded", "ignored"}, verdict, dialect)
		}
	}
}
