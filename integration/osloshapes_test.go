package integration

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/integration/harness"
	"github.com/calltap/calltap/integration/rabbit"
)

// transportURL is a broker's address as oslo.messaging writes it.
func transportURL(l *lab) string { return "rabbit" + strings.TrimPrefix(l.url(), "amqp") }

func startOsloServers(t *testing.T, l *lab, topic string, hosts ...string) []*harness.Process {
	t.Helper()
	servers := make([]*harness.Process, len(hosts))
	var wait sync.WaitGroup
	for i, host := range hosts {
		wait.Go(func() { servers[i] = serve(t, "oslo_shapes.py", "serve", transportURL(l), topic, host) })
	}
	wait.Wait()
	return servers
}

func TestOsloInItsOtherShapes(t *testing.T) {
	l := ownVHost(t, rabbit.Tap)
	c := startTapped(t, l, dialectCaddyfile)
	topic := service(t)
	servers := startOsloServers(t, l, topic, "host1", "host2")
	send := func(shape string) outcome {
		return runForOutcome(t, "oslo_shapes.py", "send", transportURL(l), topic, shape)
	}

	t.Run("keepalives are not the reply", func(t *testing.T) {
		require.Equal(t, "done", send("slow").Result)
		trace := traceOf(t, c, topic, "slow", 2)
		require.Greater(t, onlyOf(t, trace, "CLIENT").Duration, int64(2500e3), "the keepalives came after 1 and 2 s, the reply after 2.5 s")
		require.Greater(t, onlyOf(t, trace, "SERVER").Duration, int64(2500e3))
	})
	t.Run("a remote exception is its class", func(t *testing.T) {
		require.Equal(t, "KeyError", send("fail").Exception)
		trace := traceOf(t, c, topic, "fail", 2)
		require.Equal(t, "KeyError", onlyOf(t, trace, "CLIENT").Tags["error"])
		require.Equal(t, "KeyError", onlyOf(t, trace, "SERVER").Tags["error"])
	})
	t.Run("a fanout reaches each server once", func(t *testing.T) {
		send("fanout")
		trace := traceOf(t, c, topic, "refresh", 3)
		sent, queues := onlyOf(t, trace, "PRODUCER"), map[string]bool{}
		for _, s := range trace {
			if s.Kind == "CONSUMER" {
				require.Equal(t, sent.ID, s.ParentID)
				queues[s.Tags["amqp.queue"]] = true
			}
		}
		require.Len(t, queues, 2)
		for _, server := range servers {
			require.Contains(t, server.Output(), "refreshed")
		}
	})
	t.Run("notifications with and without envelope", func(t *testing.T) {
		send("notify")
		send("notifyv1")
		for _, trace := range tracesOf(t, c, topic+"_events", "shape.sent", 2, 4) {
			sent := onlyOf(t, trace, "PRODUCER")
			require.Equal(t, sent.ID, onlyOf(t, trace, "CONSUMER").ParentID)
			require.Equal(t, "oslo", sent.Tags["rpc.system"])
		}
		heard := strings.Count(servers[0].Output()+servers[1].Output(), "heard shape.sent")
		require.Equal(t, 2, heard)
	})
}
