package integration

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
)

// The clients keep their connections and send a GET again that got no byte of an answer, as load balancers
// do: while a server of net/http is being shut down, with calltap or without, it closes connections of
// which it has just read a request, and the kernel resets those that wait for it. That such a request
// left no span, and the second try one, is what the counts below show.
func TestReloadUnderLoadFailsNoRequestAndKeepsEverySpan(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	tap := tapOf(t, l)
	before, err := l.zipkin.Collected()
	require.NoError(t, err)

	load := startLoad(t, c, "/v2.1/servers/7", 4)
	const reloads = 12
	for i := range reloads { // the rules differ each time, and so the configuration
		rule := fmt.Sprintf("keys {\n\t\t\trule GET /reload/%d key reload.%d", i, i)
		require.NoError(t, c.Write(strings.Replace(novaCaddyfile, "keys {", rule, 1)))
		require.NoError(t, c.Reload())
		requireBalance(t, c)
	}
	ids := load.stop()
	require.Greater(t, len(ids), 2*reloads, "too little load to tell anything")
	require.Zero(t, load.failed.Load(), "failed requests")
	require.Equal(t, tap, tapOf(t, l), "a reload must keep the tap's queue and connection")

	const spansEach = 3 // HTTP, call, its server
	harness.Eventually(t, patience, func() error {
		after, err := l.zipkin.Collected()
		if err == nil && after-before != spansEach*len(ids) {
			err = fmt.Errorf("zipkin took %d spans for %d requests of %d spans each", after-before, len(ids), spansEach)
		}
		return err
	})
	for _, id := range ids {
		trace, err := l.zipkin.Trace(id)
		require.NoError(t, err)
		require.Len(t, trace, spansEach, drawing(trace))
		require.NotContains(t, drawing(trace), "LOOSE")
	}
	harness.Eventually(t, patience, func() error {
		timers, err := l.statsd.Timers()
		if n := timers[service(t)+".nova.compute.get_instance"].Count; err == nil && n != len(ids) {
			err = fmt.Errorf("%d timers of the RPC for %d requests", n, len(ids))
		}
		return err
	})
	requireBalance(t, c)
}

func TestAFailedReloadLeavesEverythingAsItWas(t *testing.T) {
	l := theLab(t)
	c := startTapped(t, l, novaCaddyfile)
	tap := tapOf(t, l)
	require.NoError(t, c.Write(strings.Replace(novaCaddyfile, "link openstack", "link openstck", 1)))
	err := c.Reload()
	require.ErrorContains(t, err, "openstck")
	require.ErrorContains(t, err, "openstack", "the error names the fix")

	require.Equal(t, tap, tapOf(t, l))
	require.Equal(t, 200, do(t, c, "GET", "/v2.1/servers/7", "").Status)
	awaitTrace(t, l.zipkin.ZipkinAPI, service(t), 3)
}

// tapOf names the tap's queue with its process, and its connection with its process, in the broker.
func tapOf(t *testing.T, l *lab) string {
	t.Helper()
	var tap []string
	for _, list := range []string{
		l.broker.Ctl(t, "list_queues", "name", "pid"),
		l.broker.Ctl(t, "list_connections", "user", "pid"),
	} {
		for line := range strings.Lines(list) {
			if strings.HasPrefix(line, "tap") {
				tap = append(tap, line)
			}
		}
	}
	require.Len(t, tap, 2, "one queue, one connection")
	return strings.Join(tap, "")
}

// load is a number of clients that send one request after the other, each of a trace of its own.
type load struct {
	failed atomic.Int64

	halt func() // once
	wait sync.WaitGroup
	mu   sync.Mutex // guards ids
	ids  []string
}

func startLoad(t *testing.T, c *harness.Calltap, path string, clients int) *load {
	halt := make(chan struct{})
	l := &load{halt: sync.OnceFunc(func() { close(halt) })}
	t.Cleanup(func() { l.stop() }) // of a test that fails in between; before calltap, which was started earlier, ends
	for range clients {
		l.wait.Go(func() {
			own := &http.Client{Transport: new(http.Transport), Timeout: patience}
			defer own.CloseIdleConnections()
			for {
				select {
				case <-halt:
					return
				default:
				}
				id := newTraceID()
				a, err := tryWith(own, c, "GET", path, "", "X-OpenStack-Request-ID", requestID(id))
				if err != nil {
					a, err = tryWith(own, c, "GET", path, "", "X-OpenStack-Request-ID", requestID(id))
				}
				if err != nil || a.Status != 200 {
					t.Logf("request failed: %v %+v", err, a)
					l.failed.Add(1)
				}
				l.mu.Lock()
				l.ids = append(l.ids, id)
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) stop() []string {
	l.halt()
	l.wait.Wait()
	return l.ids
}

// newTraceID makes one that also is a random UUID, version 4.
func newTraceID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	return hex.EncodeToString(raw[:])
}

// requestID is OpenStack's way to write a trace id.
func requestID(id string) string {
	return "req-" + id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}
