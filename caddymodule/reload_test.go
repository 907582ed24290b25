package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// Every answered request is one span, whatever configuration began it and whichever ended it, also if
// the new configuration has other sinks and the old ones must be flushed and closed behind it.
func TestReloadUnderLoadLosesAndDoublesNothing(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	// On a reload plain Caddy now and then closes a connection before it has read its request (over TCP
	// more often: what waits in the old socket's queue is reset). Those are counted as cut. On a Unix socket,
	// which is handed on, they are few.
	socket := filepath.Join(t.TempDir(), "site.sock")
	config := func(i int) string {
		keys := fmt.Sprintf("keys {\n rule GET /v%d key load.v%d\n}", i, i)
		if i%2 == 1 { // other settings of the sinks: another pipeline
			keys += fmt.Sprintf("\nqueue {\n interval %dms\n}", 10+i)
		}
		return site(zipkin, port, keys, fmt.Sprintf("bind unix/%s\n calltap {\n service load\n}\n do", socket))
	}
	run(t, config(0))
	var answered, cut, wrong atomic.Int64
	stopLoad := make(chan struct{})
	var workers sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	for range 8 {
		workers.Go(func() {
			for {
				select {
				case <-stopLoad:
					return
				default:
				}
				resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/implicit", port))
				if err != nil {
					cut.Add(1)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				answered.Add(1)
				if resp.StatusCode != http.StatusOK {
					wrong.Add(1)
				}
			}
		})
	}
	const reloads = 20
	for i := 1; i <= reloads; i++ {
		before := answered.Load()
		require.Eventually(t, func() bool { return answered.Load() >= before+100 }, patience, time.Millisecond)
		load(t, config(i))
	}
	close(stopLoad)
	workers.Wait()
	stop(t)
	require.Zero(t, wrong.Load())
	require.Less(t, cut.Load(), answered.Load()/100)
	ids := make(map[string]int)
	spans := zipkin.all()
	for _, s := range spans {
		ids[s.TraceID.String()+s.ID.String()]++
	}
	require.Len(t, ids, len(spans), "a span came twice")
	require.GreaterOrEqual(t, len(spans), int(answered.Load()), "a span is lost")
	require.LessOrEqual(t, len(spans), int(answered.Load()+cut.Load()))
	t.Logf("%d requests over %d reloads, %d cut by Caddy, %d spans", answered.Load(), reloads, cut.Load(), len(spans))
}

// A stream that began before the reload ends after it, and its span is sent although the configuration
// that it belongs to, and the sink that only this one has, are long gone.
func TestStreamOutlivesItsConfiguration(t *testing.T) {
	old, young := newCollector(t), newCollector(t)
	port := freePort(t)
	run(t, site(old, port, "", "calltap\n do"))
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	fmt.Fprint(conn, "GET /upgrade HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\none\n")
	buf := make([]byte, 1024)
	_, err = conn.Read(buf)
	require.NoError(t, err)

	newPort := freePort(t) // at the old one plain Caddy may still cut a connection
	load(t, site(young, newPort, "", "calltap\n do"))
	get(t, fmt.Sprintf("http://127.0.0.1:%d/created", newPort))
	young.wait(t, "/created", 1)
	require.Empty(t, old.all())
	fmt.Fprint(conn, "bye\n")
	require.Equal(t, "101", old.wait(t, "/upgrade", 1)[0].Tags[span.TagHTTPStatus])
}

func TestFailedReloadKeepsTheOldConfiguration(t *testing.T) {
	zipkin := newCollector(t)
	port := freePort(t)
	good := site(zipkin, port, "", "calltap\n do")
	run(t, good)
	before := running.newest()
	for _, bad := range []string{
		`{"apps":{"calltap":{"zipkin":{"url":"ftp://x"}}}}`,
		`{"apps":{"calltap":{}}}`,
		`{"apps":{"calltap":{"store":{}, "sample": 2}}}`,
		`{"apps":{"calltap":{"store":{}, "trusted_proxies": ["everyone"]}}}`,
		`{"apps":{"calltap":{"store":{}, "sources": [{"source": "no-such"}]}}}`,
		`{"apps":{"calltap":{"store":{}, "sources": [{"source": "fake", "fail": "start"}]}}}`,
		`{"apps":{"calltap":{"store":{}, "keys": {"rules": [{"path": "no slash", "kind": "http"}]}}}}`,
		`{"apps":{"http":{"servers":{"x":{"listen":["127.0.0.1:0"],"routes":[{"handle":[{"handler":"calltap"}]}]}}}}}`,
		// the address in use makes http fail after calltap may have started
		fmt.Sprintf(`{"admin":{"disabled":true},"apps":{"calltap":{"store":{}},"http":{"servers":{"x":{"listen":["%s"]}}}}}`, busy(t)),
	} {
		require.Error(t, caddy.Load([]byte(bad), true), bad)
		require.Same(t, before, running.newest(), bad)
		require.Len(t, running.apps, 1)
	}
	get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port))
	zipkin.wait(t, "/created", 1)
	require.Eventually(t, func() bool {
		refs, _ := shareds.References(sharedKey)
		return refs == 1
	}, patience, 10*time.Millisecond, "each failed configuration gives back what it took")
}

// busy is an address that somebody listens on without sharing it.
func busy(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Validating dials nobody and opens no file, and lets go of everything.
func TestValidateTouchesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var dials atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			conn.Close()
		}
	}()
	file := filepath.Join(t.TempDir(), "spans.log")
	started := fakes.started.Load()
	var config caddy.Config
	require.NoError(t, caddy.StrictUnmarshalJSON(adapt(t, fmt.Sprintf(`{
		admin off
		calltap {
			zipkin http://%s/api/v2/spans
			statsd no-such-host.invalid:8125
			log %s
			store
			fake
		}
	}
	http://127.0.0.1:%d {
		calltap
	}`, l.Addr(), file, freePort(t))), &config))
	require.NoError(t, caddy.Validate(&config))
	require.Zero(t, dials.Load())
	require.NoFileExists(t, file)
	_, held := shareds.References(sharedKey)
	require.False(t, held)
	require.Equal(t, started, fakes.started.Load())
}

// At exit, sinks that swallow everything and never answer hold the process up for a few seconds.
func TestStopWithDeadSinks(t *testing.T) {
	hole := busy(t) // takes connections and never answers
	port := freePort(t)
	run(t, fmt.Sprintf(`{
		admin off
		persist_config off
		order do before respond
		calltap {
			zipkin http://%s/api/v2/spans
			statsd 127.0.0.1:9
			log %s
		}
	}
	http://127.0.0.1:%d {
		calltap
		do
	}`, hole, os.DevNull, port))
	for range 100 {
		get(t, fmt.Sprintf("http://127.0.0.1:%d/created", port))
	}
	app := running.newest()
	require.NoError(t, app.Stop())
	require.NotEmpty(t, app.state.pipeline.Status().Queued)
	began := time.Now()
	app.state.release(true)
	require.Less(t, time.Since(began), exitRequests+exitFlush+2*time.Second)
	st := app.state.pipeline.Status()
	require.EqualValues(t, st.Accepted, st.Emitted+st.Queued+sum(st.Dropped))
	app.state.started = false // Cleanup has nothing left to do
}

func sum(dropped map[string]int64) (n int64) {
	for _, k := range dropped {
		n += k
	}
	return n
}

func TestInFlightWaitsForTheLastRequest(t *testing.T) {
	var f inFlight
	f.enter()
	f.enter()
	done := make(chan struct{})
	go func() { f.wait(time.Minute, time.Millisecond); close(done) }()
	require.Eventually(t, f.draining.Load, patience, time.Millisecond)
	f.leave()
	require.Never(t, func() bool { return isClosed(done) }, 20*time.Millisecond, time.Millisecond)
	f.enter()
	f.leave()
	f.leave()
	require.Eventually(t, func() bool { return isClosed(done) }, patience, time.Millisecond)

	f.enter()
	began := time.Now()
	f.wait(10*time.Millisecond, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(began), 10*time.Millisecond)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
