package amqptap

import (
	"errors"
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// What Prometheus sees of each broker's tap, beside the metrics of the spans themselves (see emit/stats). The counts are the Status's:
// since the tap's start, which a reload with the same settings does not end.
var (
	metricUp        = metric("connected", "Whether the tap is connected to the broker.")
	metricBound     = metric("bound", "Whether the tap's queue is bound, so that messages are seen.")
	metricEvents    = metric("events_total", "Messages that the broker showed, by point: published or delivered.", "point")
	metricDecoded   = metric("messages_total", "Messages by dialect and what came of it.", "dialect", "verdict")
	metricUnread    = metric("unread_total", "Messages that came to nothing, by reason.", "reason")
	metricLost      = metric("lost_halves_total", "Messages whose counterpart was not seen: an estimate of what the broker dropped.")
	metricOpen      = metric("open_calls", "Calls that await their reply.")
	metricLag       = metric("lag_seconds", "How far the tap is behind the broker.")
	metricDepth     = metric("queue_messages", "Messages that wait in the tap's queue.")
	metricWatchdog  = metric("watchdog_trips_total", "How often the watchdog took the tap off the broker.")
	metricAlarm     = metric("alarm", "Alarms of the broker's nodes in force.", "node", "resource")
	metricTracing   = metric("tracing", "Whether the firehose is known to be on, by node of the broker.", "node")
	metricPolicies  = metric("dangerous_policies", "Policies that make the tap's queue harm others.")
	metricConnects  = metric("connects_total", "Connections that the tap made.")
	metricFailures  = metric("failures_total", "Attempts to connect that failed, and connections that were lost.")
	metricsOfBroker = []*prometheus.Desc{metricUp, metricBound, metricEvents, metricDecoded, metricUnread, metricLost, metricOpen, metricLag,
		metricDepth, metricWatchdog, metricAlarm, metricTracing, metricPolicies, metricConnects, metricFailures}
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("calltap_rabbitmq_"+name, help, append([]string{"broker", "mode"}, labels...), nil)
}

// metricsCollector is a prometheus.Collector of all sources of one configuration, which has a registry of its own: two
// collectors of the same metrics cannot be in it.
type metricsCollector struct {
	mu      sync.Mutex
	sources []*Source
}

// showMetrics puts the source into the configuration's registry. There is none where a test provisions a source alone.
func (s *Source) showMetrics(ctx caddy.Context) error {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return nil
	}
	c := new(metricsCollector)
	if err := registry.Register(c); err != nil {
		var there prometheus.AlreadyRegisteredError
		if !errors.As(err, &there) {
			return fmt.Errorf("registering the metrics: %w", err)
		}
		var ours bool
		if c, ours = there.ExistingCollector.(*metricsCollector); !ours {
			return fmt.Errorf("registering the metrics: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources = append(c.sources, s)
	return nil
}

// Describe implements prometheus.Collector.
func (c *metricsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range metricsOfBroker {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Of two sources that tap the same broker and vhost the same way with different settings, which would be
// the same series twice and void the whole scrape, the first is shown.
func (c *metricsCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	sources := c.sources
	c.mu.Unlock()
	shown := map[[2]string]bool{}
	for _, s := range sources {
		running := s.nowRunning()
		if running == nil {
			continue
		}
		st := running.status()
		if who := [2]string{st.Broker, st.Mode}; !shown[who] {
			shown[who] = true
			st.collect(ch)
		}
	}
}

func (s *Status) collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, append([]string{s.Broker, s.Mode}, labels...)...)
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		send(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { send(d, prometheus.GaugeValue, v, labels...) }

	gauge(metricUp, truthOf(s.Connected))
	gauge(metricBound, truthOf(s.Bound))
	count(metricEvents, s.Published, "published")
	count(metricEvents, s.Delivered, "delivered")
	for dialect, verdicts := range s.Dialects {
		for verdict, n := range verdicts {
			count(metricDecoded, n, dialect, verdict)
		}
	}
	count(metricUnread, s.Unrecognised, "unrecognised")
	count(metricUnread, s.BadEvents, "bad_event")
	count(metricUnread, s.Panics, "panic")
	count(metricLost, s.DropsEstimate)
	gauge(metricOpen, float64(s.Pairer.Open))
	gauge(metricLag, s.LagMS/1000)
	gauge(metricDepth, float64(s.QueueDepth))
	count(metricWatchdog, s.Watchdog.Trips)
	for _, a := range s.Alarms {
		gauge(metricAlarm, 1, a.Node, a.Resource)
	}
	for node, t := range s.Tracing {
		gauge(metricTracing, truthOf(t.State == "on" || t.State == "seen"), node)
	}
	gauge(metricPolicies, float64(len(s.Policies)))
	count(metricConnects, s.Connects)
	count(metricFailures, s.Failures)
}

func truthOf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
