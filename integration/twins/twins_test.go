package twins

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/calltap/calltap/caddymodule"
)

var silent = log.New(io.Discard, "", 0)

// Go's HTTP/2 offers WebSockets (RFC 8441) if this stands in the environment when the program begins.
const offersTunnels = "http2xconnect=1"

func TestMain(m *testing.M) {
	if debug := os.Getenv("GODEBUG"); !strings.Contains(debug, offersTunnels) {
		os.Setenv("GODEBUG", strings.TrimPrefix(debug+","+offersTunnels, ","))
		panic(syscall.Exec(os.Args[0], os.Args, os.Environ()))
	}
	dir, err := os.MkdirTemp("", "calltap-twins")
	if err != nil {
		panic(err)
	}
	// Caddy writes its locks and certificates below these.
	os.Setenv("XDG_CONFIG_HOME", dir)
	os.Setenv("XDG_DATA_HOME", dir)
	os.Setenv("TWINS_KEY", "0123456789abcdef0123456789abcdef")
	code := m.Run()
	if err := awaitQuiet(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// awaitQuiet waits until all that was started has ended, but for what is of old. Caddy closes servers behind the back of who stops it, and
// calltap lets go of a configuration when no request has come for a second.
func awaitQuiet(old ...goleak.Option) error {
	for deadline := time.Now().Add(time.Minute); ; {
		err := goleak.Find(append(old, // which looks for a second or so
			// Caddy and its libraries start these once a process and never stop them.
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
			goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
			goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		)...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// variants are the traced sites. Whatever a site is told to trace and show, its traffic is the plain one's.
func variants() []*site {
	allForms := []string{"Uber-Trace-Id", "Sw8", "X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority", "X-Datadog-Tags"}
	return []*site{
		{name: "default", directives: "calltap"},
		{name: "rules that read headers and bodies", directives: `calltap {
			service shop
			rule POST /do/{a}/action key shop.{action}
			rule * /do/** {
				key shop.{header.X-Request-Id|or:none}.{json.0|or:none}
				tag kind {header.Content-Type}
				tag why {json.reboot.type}
			}
		}`},
		{name: "tags, query and a response header", tells: "X-Trace-Id", directives: `calltap {
			tag agent {header.User-Agent}
			tag broken {http.error.status_code} on 5xx
			query {
				keep a
				hash token
			}
			response_header X-Trace-Id
		}`},
		{name: "upstream spans", directives: "calltap {\nupstream_spans\n}"},
		{name: "upstream spans with headers of their own", transport: "calltap", own: true, directives: "calltap {\nupstream_spans own\n}"},
		{name: "the same in all forms", transport: "calltap", own: true, logs: true, directives: `log {
			output discard
		}
		calltap {
			upstream_spans own
			inject w3c b3 b3_multi
		}`},
		{name: "upstream spans through the transport", transport: "calltap", directives: "calltap {\nupstream_spans\n}"},
		{name: "sampled by share and rate, the rest kept late", unrecorded: true, directives: `calltap {
			sample 0.5
			sample rate 50/s burst 5
			keep_errors
			keep_status 404 429
			keep_slower 5ms
		}`},
		{name: "nobody trusted", directives: "calltap {\ntrusted_proxies none\n}"},
		{name: "all forms read, cleared and written", adds: allForms, directives: `calltap {
			extract w3c b3 b3_multi uber sw8 datadog tomograph
			clear w3c b3 b3_multi uber sw8 datadog
			inject w3c b3 b3_multi
		}`},
		{name: "amended twice", directives: "calltap\ncalltap /do/* {\nservice inner\n}\ncalltap {\nrule GET / key root\n}"},
		{name: "ignored", leaves: true, unrecorded: true, directives: "calltap {\nignore * /**\n}"},
		{name: "skipped", leaves: true, unrecorded: true, directives: "calltap_skip\ncalltap"},
		{name: "with an access log", logs: true, directives: "log {\noutput discard\n}\ncalltap"},
	}
}

// How many shapes are sent, and from which seed.
func howMany(t *testing.T) (n int, seed uint64) {
	n, seed = 2600, 1
	for name, set := range map[string]func(uint64){"TWINS": func(v uint64) { n = int(v) }, "TWINS_SEED": func(v uint64) { seed = v }} {
		if text := os.Getenv(name); text != "" {
			v, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err)
			set(v)
		}
	}
	return n, seed
}

// Nothing that passes through a site differs for calltap's being there, but the headers that docs/http.md lists.
func TestTracedSitesBehaveAsPlainOnes(t *testing.T) {
	n, seed := howMany(t)
	for _, of := range []struct {
		name, option string
		adds         []string
		from         int
	}{
		{"defaults", "", nil, 0},
		{"openstack", "link openstack\ntrigger {\nkey {env.TWINS_KEY}\nosprofiler {env.TWINS_KEY}\n}\nstatsd 127.0.0.1:9", []string{"X-Openstack-Request-Id", "X-Calltap-Trigger"}, n},
	} {
		t.Run(of.name, func(t *testing.T) {
			zipkin := newCounter(t)
			traced := variants()
			for _, s := range traced {
				s.adds = append(s.adds, of.adds...)
			}
			plain, logging := &site{name: "plain"}, &site{name: "plain with an access log", directives: "log {\noutput discard\n}"}
			stage := open(t, "zipkin "+zipkin.URL+"/api/v2/spans\n"+of.option, append([]*site{plain, logging}, traced...))
			pair := func(s *shape) (*site, *site) {
				of := traced[s.n%len(traced)]
				if of.logs {
					return logging, of
				}
				return plain, of
			}
			var recorded atomic.Int64
			result := drive(t, stage, seed, of.from, n/2, pair, &recorded, 20)
			for i, d := range result.differences {
				if i < 5 {
					t.Error(d)
				}
			}
			require.Empty(t, len(result.differences), "of %d shapes, seed %d", n/2, seed)
			t.Logf("%d shapes, twice each: %s", n/2, result.counts())
			require.Eventually(t, func() bool { return zipkin.spans.Load() >= recorded.Load() }, patience, 10*time.Millisecond, "%d spans of %d", zipkin.spans.Load(), recorded.Load())
		})
	}
}

// Each fault that a wrapper can have must be noticed, or the test above says nothing.
func TestADifferenceIsFound(t *testing.T) {
	sites := []*site{{name: "plain"}}
	for how := range sabotages {
		sites = append(sites, &site{name: how, directives: fmt.Sprintf("sabotage %q", how), leaves: true})
	}
	for how := range transportFaults {
		sites = append(sites, &site{name: how, transport: fmt.Sprintf("sabotage %q", how), leaves: true})
	}
	sites = append(sites,
		&site{name: "attempts that share their parent", transport: "calltap", directives: "calltap {\nupstream_spans on\n}", own: true},
		&site{name: "attempts with a parent each where nobody asked", transport: "calltap", directives: "calltap {\nupstream_spans own\n}"})
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second // what is waited for here does not come
	stage := open(t, "store", sites)
	t.Run("each", func(t *testing.T) {
		for i, s := range sites[1:] {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel() // most of their time is waiting
				from := 10_000 * (i + 1)
				result := drive(t, stage, 1, from, 2000, func(*shape) (*site, *site) { return sites[0], s }, nil, 1)
				require.NotEmpty(t, result.differences, "it is not noticed")
				t.Logf("noticed after %d shapes", result.sent)
			})
		}
	})
}

// outcome is what became of many shapes.
type outcome struct {
	mu          sync.Mutex
	differences []string
	kinds       map[string]int
	sent        int
}

func (o *outcome) over(enough int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.differences) >= enough
}

// unsampled reports whether a shape may say that its trace is not to be recorded.
func unsampled(s *shape) bool {
	for _, h := range s.header {
		switch http.CanonicalHeaderKey(h[0]) {
		case "Traceparent", "B3", "X-B3-Sampled", "Uber-Trace-Id", "Sw8", "X-Datadog-Trace-Id":
			return true
		}
	}
	return false
}

func (o *outcome) counts() string {
	var words []string
	for kind, n := range o.kinds {
		words = append(words, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// drive sends n shapes to the pair that each is for, or until enough came out differently. recorded counts those of which there must be a span.
func drive(t *testing.T, stage *stage, seed uint64, from, n int, pair func(*shape) (plain, traced *site), recorded *atomic.Int64, enough int) *outcome {
	t.Helper()
	o := &outcome{kinds: map[string]int{}}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			clients := newClients(stage) // a connection of HTTP/2 that one shape kills must not take another's along
			defer clients.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= n || o.over(enough) {
					return
				}
				s := generate(seed, from+i)
				plain, traced := pair(s)
				difference, reached := compare(clients, s, plain, traced)
				if reached && !traced.unrecorded && recorded != nil && !unsampled(s) {
					recorded.Add(1)
				}
				if difference != "" {
					// A fault is there each time; a moment at which the machine stood still is not.
					if again, _ := compare(clients, s, plain, traced); again == "" {
						t.Logf("once, and not again: %s", difference)
						difference = ""
					}
				}
				o.mu.Lock()
				o.sent++
				o.kinds[s.kind()]++
				if difference != "" {
					o.differences = append(o.differences, difference)
				}
				o.mu.Unlock()
			}
		})
	}
	workers.Wait()
	return o
}

// compare sends a shape to both sides and returns what differs. reached says that the script ran.
func compare(clients *clients, s *shape, plain, traced *site) (difference string, reached bool) {
	a, b := newExchange(s, "a"), newExchange(s, "b")
	wantResponse, gotResponse := clients.send(a, plain), clients.send(b, traced)
	want, got := a.end(), b.end()
	headers := b.headers()
	reached = len(headers) > 0
	if traced.tells != "" {
		line := regexp.MustCompile(`(?m)^ *` + traced.tells + `: .*\n`)
		gotResponse, wantResponse = line.ReplaceAllString(gotResponse, ""), line.ReplaceAllString(wantResponse, "")
	}
	problem := ""
	if !traced.leaves {
		hidden := append(slices.Clone(headersOfOurs), traced.adds...)
		want, got = without(want, hidden), without(got, hidden)
		problem = placed(headers)
		if problem == "" && s.repeats() {
			problem = parents(headers, traced.own)
		}
	}
	if wantResponse != gotResponse {
		problem += fmt.Sprintf("the client of the plain site gets\n%s\nof this one\n%s\n", wantResponse, gotResponse)
	}
	if want != got {
		problem += fmt.Sprintf("behind the plain site is seen\n%s\nbehind this one\n%s\n", want, got)
	}
	if problem == "" {
		return "", reached
	}
	return fmt.Sprintf("%s%s: %s", s, traced.name, problem), reached
}

var wellFormed = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)

// placed tells what is wrong with the trace headers that went on: one of each form that is written by default, whatever came.
func placed(all []http.Header) string {
	for _, h := range all {
		if !wellFormed.MatchString(strings.Join(h["Traceparent"], ",")) || len(h["B3"]) != 1 {
			return fmt.Sprintf("traceparent %q, b3 %q\n", h["Traceparent"], h["B3"])
		}
	}
	return ""
}

// parents tells what is wrong with the parents that several attempts of one request name: each its own, or all the same.
func parents(all []http.Header, own bool) string {
	var ids []string
	for _, h := range all {
		ids = append(ids, h["Traceparent"][0]+" "+h["B3"][0])
	}
	slices.Sort(ids)
	want := 1
	if own {
		want = len(ids)
	}
	if distinct := len(slices.Compact(slices.Clone(ids))); len(ids) > 0 && distinct != want {
		return fmt.Sprintf("%d parents of %d attempts: %q\n", distinct, len(ids), ids)
	}
	return ""
}

// counter is a Zipkin that counts.
type counter struct {
	*httptest.Server
	spans atomic.Int64
}

func newCounter(t *testing.T) *counter {
	c := new(counter)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var spans []json.RawMessage
		if json.NewDecoder(r.Body).Decode(&spans) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.spans.Add(int64(len(spans)))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(c.Close)
	return c
}
