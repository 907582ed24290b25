package amqptap

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/spanbuilder"
)

// Status is what a tap tells the admin API. Counts are since the tap's start; a reload that keeps
// the settings keeps them.
type Status struct {
	Mode      string `json:"mode"`            // firehose or mirror
	Broker    string `json:"broker"`          // HOST:PORT/VHOST
	Connected bool   `json:"connected"`       //
	Since     string `json:"since,omitempty"` // RFC 3339: when the connection was made or lost
	Server    string `json:"server,omitempty"`
	Queue     string `json:"queue,omitempty"`
	LastEvent string `json:"last_event,omitempty"` // RFC 3339
	LastError string `json:"last_error,omitempty"`

	Bound      bool    `json:"bound"`       // the queue is bound, so messages are seen
	QueueDepth int64   `json:"queue_depth"` // messages that wait in it
	LagMS      float64 `json:"lag_ms"`      // how far the tap is behind
	LagSource  string  `json:"lag_source"`  // measured, by the broker's timestamps; bounded: at most that; unknown
	Rates      Rates   `json:"events_per_second"`

	Watchdog WatchdogStatus         `json:"watchdog"`
	Alarms   []management.Alarm     `json:"alarms"`             // of the broker; empty also without management
	Tracing  map[string]NodeTracing `json:"tracing,omitempty"`  // the firehose by node, with management
	Policies []string               `json:"policies,omitempty"` // what policies make the tap's queue do that harms others
	Refused  []refusal              `json:"refused,omitempty"`  // keys of a mirror that are not bound, since that would change what the watched programs see
	Unknown  map[string]string      `json:"unknown,omitempty"`  // what the management API does not tell, and why
	Notes    []string               `json:"notes,omitempty"`    // about this version of the broker

	Connects int64 `json:"connects"`
	Failures int64 `json:"failures"` // attempts that failed and connections that were lost

	Bytes           int64                       `json:"bytes"` // read from the broker, or of TLS what it came in
	Published       int64                       `json:"published"`
	Delivered       int64                       `json:"delivered"`
	Dialects        map[string]map[string]int64 `json:"dialects"`     // by dialect and verdict
	Unrecognised    int64                       `json:"unrecognised"` // messages that no dialect knows
	BadEvents       int64                       `json:"bad_events"`   // not what a firehose sends
	BadTraceHeaders int64                       `json:"bad_trace_headers"`
	Batches         int64                       `json:"batches"` // JSON-RPC messages that hold several calls and are traced as one
	Panics          int64                       `json:"panics"`

	// DropsEstimate counts messages whose counterpart was not seen. The broker does not say what it drops from the full queue; this also counts what
	// was under way when the tap started.
	DropsEstimate int64 `json:"drops_estimate"`

	Pairer spanbuilder.PairerStats `json:"pairer"`
}

// counters count events. They are written by one goroutine and read by any.
type counters struct {
	published, delivered    atomic.Int64
	unrecognised, badEvents atomic.Int64
	badContext, panics      atomic.Int64
	batches                 atomic.Int64
	connects, failures      atomic.Int64
	lastEvent               atomic.Int64 // Unix microseconds
	bytes                   atomic.Int64 // read from the broker
	verdicts                map[string]*[dialect.NumVerdicts]atomic.Int64
}

func newCounters() *counters {
	c := &counters{verdicts: map[string]*[dialect.NumVerdicts]atomic.Int64{}}
	for _, name := range dialect.Names() {
		c.verdicts[name] = new([dialect.NumVerdicts]atomic.Int64)
	}
	return c
}

// event counts a message that a dialect, or none, made something of.
func (c *counters) event(p spanbuilder.Point, name string, v dialect.Verdict) {
	if p == spanbuilder.Delivered {
		c.delivered.Add(1)
	} else {
		c.published.Add(1)
	}
	if v == dialect.NotMine {
		c.unrecognised.Add(1)
		return
	}
	c.verdicts[name][v].Add(1)
}

// events is how many copies came.
func (c *counters) events() int64 { return c.published.Load() + c.delivered.Load() }

// malformed is how many messages were recognised and could not be used.
func (c *counters) malformed() (n int64) {
	for _, byVerdict := range c.verdicts {
		for v := range byVerdict {
			if dialect.Verdict(v).Malformed() {
				n += byVerdict[v].Load()
			}
		}
	}
	return n
}

// live is the connection's state.
type live struct {
	mu        sync.Mutex
	connected bool
	since     time.Time
	server    string
	queue     string
	lastError string
}

func (l *live) up(server, queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.since, l.server, l.queue, l.lastError = true, time.Now(), server, queue, ""
}

func (l *live) down(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected || l.since.IsZero() {
		l.since = time.Now()
	}
	l.connected, l.queue, l.lastError = false, "", reason
}

func (t *tap) status() Status {
	s := Status{
		Mode:            t.Mode,
		Broker:          t.broker(),
		Connects:        t.counters.connects.Load(),
		Failures:        t.counters.failures.Load(),
		Bytes:           t.counters.bytes.Load(),
		Published:       t.counters.published.Load(),
		Delivered:       t.counters.delivered.Load(),
		Dialects:        map[string]map[string]int64{},
		Unrecognised:    t.counters.unrecognised.Load(),
		BadEvents:       t.counters.badEvents.Load(),
		BadTraceHeaders: t.counters.badContext.Load(),
		Batches:         t.counters.batches.Load(),
		Panics:          t.counters.panics.Load(),
		Pairer:          t.pairer.Stats(),
	}
	for name, byVerdict := range t.counters.verdicts {
		counts := map[string]int64{}
		for v := range byVerdict {
			if n := byVerdict[v].Load(); n > 0 {
				counts[dialect.Verdict(v).String()] = n
			}
		}
		s.Dialects[name] = counts
	}
	if last := t.counters.lastEvent.Load(); last > 0 {
		s.LastEvent = time.UnixMicro(last).UTC().Format(time.RFC3339)
	}
	s.DropsEstimate = s.Pairer.OrphanReplies + s.Pairer.OrphanDeliveries + s.Pairer.LostDeliveries + s.Pairer.LostReplies
	s.Rates = t.rates.now()
	t.health.tell(&s)
	s.LagMS, s.LagSource = float64(t.lag(time.Now(), s.QueueDepth > 0).Microseconds())/1000, t.clock.reading().Source
	t.live.mu.Lock()
	defer t.live.mu.Unlock()
	if t.Mode == "firehose" {
		s.Notes = versionNotes(t.live.server)
	}
	s.Connected, s.Server, s.Queue, s.LastError = t.live.connected, t.live.server, t.live.queue, t.live.lastError
	if !t.live.since.IsZero() {
		s.Since = t.live.since.UTC().Format(time.RFC3339)
	}
	return s
}
