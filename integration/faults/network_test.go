package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tap's own connection suffers all that networks do; the programs and the HTTP clients have another way and notice nothing.
func TestTheTapsNetworkFails(t *testing.T) {
	t.Parallel()
	theBroker(t)
	for _, reader := range []string{"inplace", "library"} {
		t.Run(reader, func(t *testing.T) {
			t.Parallel()
			networkFails(t, reader)
		})
	}
}

func networkFails(t *testing.T, reader string) {
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	p := newProxy(t, node.Port)
	c := startTap(t, addressOf(p.Port(), vhost), "reader "+reader, "heartbeat 2s", "prefetch 100", "max_length 1000",
		"watchdog {", "lag 1s", "for 1s", "pause 1s", "}")
	awaitBound(t, c)
	requireWhole(t, c, []outcome{dial(t, address).call("warm", topic)})
	http := startVisitors(t, c)
	http.stop() // not before it was there: the site keeps its connection to the upstream
	running, where := goroutines(t, c)

	http.start(t)
	l := startLoad(t, address, "undisturbed", Options{Padding: string(make([]byte, 500))})
	l.await(t, "undisturbed", 100)
	for _, fault := range []struct {
		name string
		do   func()
	}{{"reset", p.reset}, {"cut in mid-frame", p.cut}, {"half-open", p.swallow}} {
		connects := statusOf(t, c).Connects
		l.enter(fault.name)
		began := time.Now()
		fault.do()
		s := awaitStatus(t, c, fault.name+" went unnoticed", func(s tapStatus) bool { return s.Connects > connects && s.Connected && s.Bound })
		t.Logf("%s: back after %s, %d failures so far", fault.name, time.Since(began).Round(10*time.Millisecond), s.Failures)
		require.Equal(t, connects+1, s.Connects)
		l.enter("after " + fault.name)
		after := l.await(t, "after "+fault.name, 20)
		requireWhole(t, c, after)
	}

	// A trickle is no end of the connection: the tap falls behind, its queue fills, and the watchdog takes it off.
	l.enter("trickle")
	p.slow(true)
	s := awaitStatus(t, c, "a trickle went unnoticed", func(s tapStatus) bool { return s.Watchdog.Trips > 0 })
	t.Logf("trickle: %s", s.Watchdog.Why)
	p.slow(false)
	awaitStatus(t, c, "not back after the trickle", func(s tapStatus) bool { return s.Connected && s.Bound && s.Watchdog.State == "watching" })
	l.enter("after trickle")
	l.await(t, "after trickle", 20)
	l.stop()
	requireWhole(t, c, l.of("after trickle"))

	requireUnhurt(t, l.all())
	http.requireServed(t, c)
	undisturbed := l.of("undisturbed")
	for _, phase := range []string{"half-open", "trickle"} {
		requireNoSlower(t, phase, 5, confirms(l.of(phase)), confirms(undisturbed))
	}
	s = statusOf(t, c)
	require.LessOrEqual(t, s.Failures, 10, "the tap reconnects without pause")
	requireNoMoreGoroutines(t, c, running, where)
}
