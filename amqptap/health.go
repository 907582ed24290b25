package amqptap

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/calltap/calltap/amqptap/management"
)

// forgetAlarms is how long an alarm counts as in force when the broker can no longer be asked.
const forgetAlarms = time.Minute

// health is what a guard's goroutines found, for each other and for Status. mu guards everything declared below.
type health struct {
	mu       sync.Mutex
	bound    bool // the tap's queue, to something
	depth    int64
	dog      WatchdogStatus
	alarms   []management.Alarm
	asked    time.Time // when alarms were last told
	harmless []Binding // of a mirror
	refused  []refusal // likewise
	policies []string
	nodes    map[string]NodeTracing
	problems map[string]string // what the management API does not tell, and why
	said     map[string]bool   // what was logged and need not be again
}

// WatchdogStatus tells of the watchdog.
type WatchdogStatus struct {
	State string `json:"state"`           // watching; held: the tap's queue is unbound; off: only alarms count
	Since string `json:"since,omitempty"` // RFC 3339: when it last took hold or let go
	Why   string `json:"why,omitempty"`   // it took hold the last time
	Trips int64  `json:"trips"`           // how often it took hold
}

// NodeTracing is what is known of a vhost's firehose on one node.
type NodeTracing struct {
	// on, off: the node says so. seen: it cannot be asked, but messages of its connections come; unseen: it has connections of which
	// none came, though those of other nodes do; unknown.
	State       string `json:"state"`
	Connections int    `json:"connections"`     // to the vhost, as far as the user's tag lets it see
	ByUs        bool   `json:"by_us,omitempty"` // on by the word trace
}

// watched notes what watch saw.
func (h *health) watched(dog *watchdog, depth int, bound bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.depth, h.bound, h.dog = int64(depth), bound, dog.status()
}

func (w *watchdog) status() WatchdogStatus {
	s := WatchdogStatus{State: "watching", Why: w.why, Trips: w.trips}
	switch {
	case w.held:
		s.State = "held"
	case w.Off:
		s.State = "off"
	}
	if !w.since.IsZero() {
		s.Since = w.since.UTC().Format(time.RFC3339)
	}
	return s
}

// alarmsAt are the alarms in force, as far as that is known.
func (h *health) alarmsAt(now time.Time) []management.Alarm {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.asked) > forgetAlarms {
		return nil
	}
	return h.alarms
}

func (h *health) setAlarms(now time.Time, alarms []management.Alarm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alarms, h.asked = alarms, now
}

// mayBind are the keys of a mirror that are known to be harmless.
func (h *health) mayBind() []Binding {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.harmless
}

func (h *health) setMirror(harmless []Binding, refused []refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.harmless, h.refused = harmless, refused
}

func (h *health) setPolicies(dangers []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.policies = dangers
}

func (h *health) setNodes(nodes map[string]NodeTracing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = nodes
}

// firehoseOn reports whether a node says that the firehose is on.
func (h *health) firehoseOn() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.nodes {
		if n.State == "on" {
			return true
		}
	}
	return false
}

// dogHolds reports whether the watchdog holds the tap.
func (h *health) dogHolds() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dog.State == "held"
}

// problem notes what is not told and why; "" is that it is told again.
func (h *health) problem(what, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if why == "" {
		delete(h.problems, what)
		return
	}
	if h.problems == nil {
		h.problems = map[string]string{}
	}
	h.problems[what] = why
}

// first reports whether it is called with that word for the first time, or after again.
func (h *health) first(word string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.said[word] || len(h.said) >= 1000 { // words hold names of nodes and errors: not without bound
		return false
	}
	if h.said == nil {
		h.said = map[string]bool{}
	}
	h.said[word] = true
	return true
}

// again lets first be true of a word once more.
func (h *health) again(word string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.said, word)
}

// tell fills in what Status says of it.
func (h *health) tell(s *Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Bound, s.QueueDepth, s.Watchdog = h.bound, h.depth, h.dog
	s.Alarms = slices.Clone(h.alarms)
	s.Refused = slices.Clone(h.refused)
	s.Policies = slices.Clone(h.policies)
	s.Tracing = maps.Clone(h.nodes)
	s.Unknown = maps.Clone(h.problems)
}

// down forgets what holds only while there is a connection.
func (h *health) down() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bound, h.depth, h.nodes = false, 0, nil
}
