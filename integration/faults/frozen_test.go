package faults

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// frozenTime is how long calltap hangs: by default until its queue has long been full, with CALLTAP_LONG=1 also beyond the time when the
// broker gives its connection up.
func frozenTime() time.Duration {
	if long {
		return time.Minute
	}
	return 8 * time.Second
}

const (
	frozenLength = 2000
	frozenBytes  = 1 << 20
)

// A calltap that hangs reads nothing and answers nothing; it cannot take itself off the broker. What bounds the harm then is its queue alone.
func TestAFrozenTapIsNotFelt(t *testing.T) {
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	l := startLoad(t, address, "warming up", Options{Callers: 4, Every: 5 * time.Millisecond, Wait: 7 * time.Second, Padding: strings.Repeat("x", 1000)})
	l.await(t, "warming up", 200)
	l.enter("no tap")
	watchQueue(t, node, vhost, "", frozenTime()/2) // which also costs the broker

	l.enter("starting")
	c := startTap(t, addressOf(node.Port, vhost), "prefetch 100", "max_length 2000", "max_bytes 1MiB")
	awaitBound(t, c)
	l.enter("tapped")
	tapped := l.await(t, "tapped", 300)
	queue := statusOf(t, c).Queue

	require.NoError(t, c.Signal(syscall.SIGSTOP))
	l.enter("frozen")
	fullest := watchQueue(t, node, vhost, queue, frozenTime())
	l.enter("thawing")
	require.NoError(t, c.Signal(syscall.SIGCONT))
	awaitBound(t, c)
	l.enter("thawed")
	l.await(t, "thawed", 100)
	pause(t.Context(), 8*time.Second) // in which the callers would have given up, had there been no reply
	l.stop()

	requireUnhurt(t, l.all())
	requireWhole(t, c, tapped[:len(tapped)-10])
	requireWhole(t, c, l.of("thawed"))
	s := statusOf(t, c)
	t.Logf("frozen for %s: at most %d messages of %d and %d bytes of %d in the queue, %d bytes of the broker's memory; then %d connects, %d drops estimated, %d timeouts",
		frozenTime(), fullest.Messages, frozenLength, fullest.Bytes, frozenBytes, fullest.Memory, s.Connects, s.Drops, s.Pairer.Timeouts)
	require.Zero(t, s.Pairer.Timeouts, "calls whose replies the broker dropped from the full queue were told to be timeouts")
	require.LessOrEqual(t, fullest.Messages, frozenLength)
	require.LessOrEqual(t, fullest.Bytes, frozenBytes)
	require.Greater(t, max(float64(fullest.Messages)/frozenLength, float64(fullest.Bytes)/frozenBytes), 0.9, "the queue did not fill, so this test shows nothing")
	require.Less(t, fullest.Memory, 32<<20)

	frozen, without := confirms(l.of("frozen")), confirms(l.of("no tap"))
	requireNoSlower(t, "frozen ÷ no tap", 3, frozen, without)
	ratio(t, "confirms, frozen ÷ no tap", 0.99, frozen, without)
	ratio(t, "confirms, tapped ÷ no tap", 0.99, confirms(tapped), without)
	ratio(t, "confirms, tapped ÷ no tap", 0.5, confirms(tapped), without)
	ratio(t, "replies, frozen ÷ no tap", 0.5, replies(l.of("frozen")), replies(l.of("no tap")))
	ratio(t, "replies, frozen ÷ no tap", 0.99, replies(l.of("frozen")), replies(l.of("no tap")))
}

// depths of a queue, of what waits in it. What was sent and is not acknowledged is bounded by the prefetch, and not counted.
type depths struct {
	Name     string `json:"name"`
	Messages int    `json:"messages_ready"`
	Bytes    int    `json:"message_bytes_ready"`
	Memory   int    `json:"memory"`
}

// watchQueue asks the broker over and over how much is in a queue, and returns the most of each.
func watchQueue(t testing.TB, node *rabbit.Node, vhost, queue string, d time.Duration) (most depths) {
	t.Helper()
	looks := 0
	for end := time.Now().Add(d); time.Now().Before(end); looks++ {
		var all []depths
		out := node.Ctl(t, "list_queues", "-p", vhost, "--formatter", "json", "name", "messages_ready", "message_bytes_ready", "memory")
		require.NoError(t, json.Unmarshal([]byte(out), &all), out)
		for _, q := range all {
			if q.Name == queue {
				most = depths{queue, max(most.Messages, q.Messages), max(most.Bytes, q.Bytes), max(most.Memory, q.Memory)}
			}
		}
	}
	require.Positive(t, looks)
	return most
}

// Whoever stops calltap for good, by SIGKILL, leaves nothing at the broker either.
func TestAKilledTapLeavesNothing(t *testing.T) {
	node := theBroker(t)
	vhost := newVHost(t, node)
	address := node.URL() + vhost
	serve(t, address)
	c := startTap(t, addressOf(node.Port, vhost))
	queue := awaitBound(t, c).Queue
	l := startLoad(t, address, "before", Options{})
	l.await(t, "before", 20)
	require.Contains(t, node.Ctl(t, "list_queues", "-p", vhost, "name"), queue)
	c.Kill()
	l.enter("after")
	l.await(t, "after", 20)
	harness.Eventually(t, patience, func() error {
		if out := node.Ctl(t, "list_queues", "-p", vhost, "name"); strings.Contains(out, queue) {
			return errors.New("the tap's queue outlived it")
		}
		return nil
	})
	l.stop()
	requireUnhurt(t, l.all())
}
