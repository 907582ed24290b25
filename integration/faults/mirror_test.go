package faults

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/rabbit"
)

// A mirror is the one mode that can change what programs see. Without consent it does not; with it, what the page warns of comes true
// and no more: calls go on, confirms come.
func TestAMirrorAndWhatProgramsSee(t *testing.T) {
	t.Parallel()
	node := theBroker(t)
	vhost := newVHost(t, node)
	node.SetFirehose(t, vhost, false)
	node.Allow(t, vhost, "tap", rabbit.Rights{`^tap\.`, `^tap\.`, `^(tap\.|nova$)`})
	address := node.URL() + vhost
	serve(t, address)
	program := dial(t, address)
	// fate is what becomes of a mandatory message for which there is no service.
	fate := func() string {
		var o outcome
		return program.publish(&o, "absent", amqp.Publishing{Body: []byte("x")})
	}
	require.Equal(t, returned, fate())
	l := startLoad(t, address, "no tap", Options{})
	l.await(t, "no tap", 100)

	const mirror = "mirror nova compute absent"
	c := startTap(t, addressOf(node.Port, vhost), mirror, "management "+node.Management())
	s := awaitBound(t, c)
	l.enter("without consent")
	l.await(t, "without consent", 100)
	require.Equal(t, returned, fate(), "without consent the mirror changed what a program sees")
	require.Len(t, s.Refused, 1)
	require.Equal(t, "absent", s.Refused[0].Key)
	requireLogged(t, c, "the mirror does not bind this key", "absent", "accept_changes")

	require.NoError(t, c.Write(with(mirror))) // neither word
	err := c.Reload()
	require.ErrorContains(t, err, "accept_changes")
	require.ErrorContains(t, err, "management URL")
	require.Equal(t, s.Queue, statusOf(t, c).Queue, "a refused configuration changed the tap that runs")

	require.NoError(t, c.Write(with(mirror, "accept_changes")))
	require.NoError(t, c.Reload())
	awaitStatus(t, c, "not bound anew", func(now tapStatus) bool { return now.Bound && now.Queue != s.Queue })
	requireLogged(t, c, "MIRROR MODE CHANGES WHAT THE WATCHED PROGRAMS SEE")
	require.Empty(t, fate(), "the docs warn that it is not returned any more")
	l.enter("with consent")
	l.await(t, "with consent", 100)
	l.stop()

	requireUnhurt(t, l.all())
	for _, phase := range []string{"without consent", "with consent"} {
		for _, o := range answered(l.of(phase))[:50] {
			spans, err := c.Store().Trace(o.trace)
			require.NoError(t, err)
			require.Len(t, spans, 1, "a mirror shows the request of a call: %+v", spans)
			require.Empty(t, spans[0].Tags["error"])
		}
		requireNoSlower(t, phase+" ÷ no tap", 4, confirms(l.of(phase)), confirms(l.of("no tap")))
	}

	c.Kill()
	require.Eventually(t, func() bool { return fate() == returned }, patience, 50*time.Millisecond, "without the tap all is as before, once the broker has noticed")
}
