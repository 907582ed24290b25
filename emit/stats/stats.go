// Package stats shows the books of a pipeline as Prometheus counters.
//
//	Prometheus ──► scrape ──► Collector ──► Pipeline.Status
//
// What enters is a function that returns the books, what leaves are four metrics for each emitter:
//
//	calltap_spans_accepted_total{emitter}         offered
//	calltap_spans_emitted_total{emitter}          sent
//	calltap_spans_dropped_total{emitter,reason}   lost
//	calltap_spans_queued{emitter}                 waiting (gauge)
//
// All values of one scrape are from one moment, so that accepted = emitted + queued + Σ dropped holds
// in Prometheus as well. There is nothing that could fail, and nothing runs between scrapes.
package stats

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/calltap/calltap/emit"
)

var (
	accepted = desc("accepted_total", "Spans offered to the emitter, whatever became of them.")
	emitted  = desc("emitted_total", "Spans that the emitter has sent.")
	dropped  = desc("dropped_total", "Spans that were lost, by reason.", "reason")
	queued   = desc("queued", "Spans that wait for the emitter or are in its hands.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("calltap_spans_"+name, help, append([]string{"emitter"}, labels...), nil)
}

// Collector is a prometheus.Collector of a pipeline's books.
type Collector struct{ status func() emit.Status }

// New returns a Collector that calls status, such as a Pipeline's Status, at each scrape. Emitters
// that share a name are shown as one.
func New(status func() emit.Status) *Collector { return &Collector{status} }

// Describe implements prometheus.Collector.
func (*Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- accepted
	ch <- emitted
	ch <- dropped
	ch <- queued
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, a := range byName(c.status().Emitters) {
		send := func(d *prometheus.Desc, t prometheus.ValueType, n int64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, t, float64(n), append([]string{a.Name}, labels...)...)
		}
		send(accepted, prometheus.CounterValue, a.Accepted)
		send(emitted, prometheus.CounterValue, a.Emitted)
		send(queued, prometheus.GaugeValue, a.Queued)
		for reason, n := range a.Dropped {
			send(dropped, prometheus.CounterValue, n, reason)
		}
	}
}

// byName sums accounts of one name: the same series twice would void the whole scrape.
func byName(accounts []emit.Account) map[string]*emit.Account {
	sums := make(map[string]*emit.Account, len(accounts))
	for _, a := range accounts {
		sum := sums[a.Name]
		if sum == nil {
			sum = &emit.Account{Name: a.Name, Dropped: map[string]int64{}}
			sums[a.Name] = sum
		}
		sum.Accepted += a.Accepted
		sum.Emitted += a.Emitted
		sum.Queued += a.Queued
		for reason, n := range a.Dropped {
			sum.Dropped[reason] += n
		}
	}
	return sums
}
