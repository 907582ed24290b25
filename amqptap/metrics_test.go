package amqptap

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// scrape gathers in pedantic mode, which refuses what a lenient server would pass on, and returns value by
// "name/label/label".
func scrape(t *testing.T, sources ...*Source) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	c := new(metricsCollector)
	c.sources = sources
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := strings.TrimPrefix(family.GetName(), "calltap_rabbitmq_")
			for _, label := range m.GetLabel() {
				key += "/" + label.GetValue()
			}
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

func TestStatusAndMetricsOfSeveralBrokersAndVHosts(t *testing.T) {
	node := broker(t)
	for _, vhost := range []string{"blue", "green"} {
		node.AddVHost(t, vhost, true)
	}
	blue := start(t, &Source{URL: node.URL() + "blue", Management: node.Management()})
	green := start(t, &Source{URL: node.URL() + "green", Management: node.Management()})
	twin := start(t, &Source{URL: node.URL() + "green", MaxLength: 500}) // the same series, were it shown
	nowhere := start(t, &Source{URL: "amqp://127.0.0.1:1/"})
	for _, tap := range []*tapped{blue, green, twin} {
		tap.awaitConnected(t)
	}
	blue.seesCalls(t, node.URL()+"blue", "blue", 3)
	green.seesCalls(t, node.URL()+"green", "green", 5)
	require.Empty(t, blue.named("green"), "a vhost's messages came to the tap of another")

	blue.awaitStatus(t, "tracing", func(s Status) bool { return s.Tracing[node.Name()].State == "on" })
	got := scrape(t, blue.Source, green.Source, twin.Source, nowhere.Source)
	at := "/" + blue.now().Broker + "/firehose"
	require.Equal(t, 6.0, got["events_total"+at+"/published"])
	require.Equal(t, 6.0, got["events_total"+at+"/delivered"])
	require.Equal(t, 12.0, got["messages_total/"+blue.now().Broker+"/plain/firehose/decoded"])
	require.Equal(t, 1.0, got["connected"+at])
	require.Equal(t, 1.0, got["bound"+at])
	require.Equal(t, 1.0, got["tracing"+at+"/"+node.Name()])
	require.Equal(t, 10.0, got["events_total/"+green.now().Broker+"/firehose/published"])
	require.Equal(t, 0.0, got["connected/127.0.0.1:1//firehose"])

	require.Eventually(t, func() bool { return blue.now().Rates.Minute > 0 }, patience, 100*time.Millisecond)
	require.Zero(t, blue.now().DropsEstimate)
}

// Each configuration has a registry of its own, and in it all its sources are one collector.
func TestEachConfigurationShowsTheMetricsOfItsSources(t *testing.T) {
	for range 2 { // a reload
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		for _, url := range []string{"amqp://127.0.0.1:1/a", "amqp://127.0.0.1:1/b"} {
			s := &Source{URL: url}
			require.NoError(t, s.Provision(ctx))
		}
		_, err := ctx.GetMetricsRegistry().Gather()
		require.NoError(t, err)
		cancel()
	}
}
