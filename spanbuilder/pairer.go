package spanbuilder

import (
	"time"

	"github.com/calltap/calltap/span"
)

// PairerOptions are the bounds of a Pairer. Zero values are the defaults.
type PairerOptions struct {
	// MaxOpen is how many calls may await their reply at once, and how many casts and traces are remembered
	// beside them; default 100,000. For one more, the oldest of whoever holds most is given up: its halves are
	// emitted as incomplete, and it is counted. An open call takes about 400 bytes with all that belongs to it.
	MaxOpen int
	// DefaultTimeout ends calls that tell no timeout of their own; default 60 s.
	DefaultTimeout time.Duration
	// Linger is how long a call still awaits its late reply after its timeout; default 60 s.
	Linger time.Duration
	// Reorder is how long a call whose reply was seen awaits the rest of its messages, which the broker
	// may show in another order, before they count as lost; default 1 s.
	Reorder time.Duration
	// CastLife is how long a one-way message may be the cause of others, counted from the last one that it
	// caused; default 60 s. Its end is invisible from outside.
	CastLife time.Duration
	// CastQuiet is how long the work on a one-way message must have caused nothing, and be waiting for nothing, to count
	// as ended; default 5 s.
	CastQuiet time.Duration
	// MaxProcesses bounds the connections and reply queues that are told apart; default 32,768.
	MaxProcesses int
	// Identify, if not nil, tells what the source knows of a connection apart from its messages. It is called
	// by the Pairer's goroutine, must be fast, and may know later what it does not know yet.
	Identify func(connection string) Identity
}

// Identity is what a source knows of a connection.
type Identity struct {
	Process string // equal for the connections of one process; "" is unknown
	Service string // what its program calls itself, as a person would look for it; "" is unknown
}

const (
	defaultMaxOpen      = 100_000
	defaultMaxProcesses = 32_768
	maxTimeout          = 24 * time.Hour
	maxTime             = int64(1) << 53 // µs, year 2255: sums of such times cannot overflow
)

func (o PairerOptions) withDefaults() PairerOptions {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
		*d = min(*d, maxTimeout)
	}
	or(&o.DefaultTimeout, time.Minute)
	or(&o.Linger, time.Minute)
	or(&o.Reorder, time.Second)
	or(&o.CastLife, time.Minute)
	or(&o.CastQuiet, 5*time.Second)
	if o.MaxOpen <= 0 {
		o.MaxOpen = defaultMaxOpen
	}
	if o.MaxProcesses <= 0 {
		o.MaxProcesses = defaultMaxProcesses
	}
	return o
}

// Pairer turns messages, as a source sees them, into spans. One goroutine uses it; Stats alone may be
// called from others. It reads no clock: time is what the messages say, so that a recording gives the
// same spans whenever it is replayed.
type Pairer struct {
	opts      PairerOptions
	now       int64  // of the message at hand
	seq       uint64 // of the message at hand; orders causes without trusting clocks
	calls     callTable
	casts     castTable
	traces    traceTable
	works     few[activity]
	processes processes
	contexts  contextTable
	tree      tree
	routes    routeCache
	owners    ownerCache
	texts     textCache
	roles     roleCache
	services  serviceCache
	labels    labelCache
	recent    recentKeys
	count     counters
	ends      heldList     // CONSUMER spans, whose work last caused something longest ago first
	awaiting  awaitingList // traces
	awaited   int          // spans of them
	pool      heldPool

	blind int64 // see Blind
	// directDelivers is set once the broker showed the delivery of a direct reply: from 4.2 on it does.
	directDelivers bool
	out            span.Span // the span at hand
	ruled          string    // the service that a rule gives it, "" if none
	extra          *extra    // what else a rule gives it
	home           *trace    // that it belongs to
	nameless       side      // of which it shows a stopgap
	nowhere        trace     // home of what belongs to no trace that is at work
}

// NewPairer makes an empty Pairer.
func NewPairer(o PairerOptions) *Pairer {
	o = o.withDefaults()
	p := &Pairer{opts: o, routes: routeCache{}, owners: ownerCache{}, texts: textCache{}, roles: roleCache{}, services: serviceCache{}}
	p.labels.labels = map[labelKey]*label{}
	p.calls.init(o.MaxOpen, &p.count)
	p.casts.init(o.MaxOpen, &p.count)
	p.traces.init(o.MaxOpen, &p.count)
	p.processes.init(o.MaxProcesses, &p.count)
	p.contexts.init()
	p.tree.init()
	p.pool.count = &p.count
	p.processes.identify = o.Identify
	return p
}

// Observe takes one message and offers to t.Sink the spans that end with it. It keeps no reference to
// m nor to the bytes of its strings. Before, it ends what timed out by m.Time.
func (p *Pairer) Observe(t *Tracer, m *Message) {
	if m.Time <= 0 || m.Time > maxTime || m.Point != Published && m.Point != Delivered {
		p.count.invalid.Add(1)
		return
	}
	p.Advance(t, m.Time)
	p.seq, p.now = p.seq+1, m.Time
	switch m.Form {
	case FormCall:
		if m.ReplyTo == "" && m.ID == "" {
			p.count.invalid.Add(1)
			return
		}
		p.request(t, m)
	case FormCast, FormFanout, FormNotification:
		p.oneWay(t, m)
	case FormReply:
		p.reply(t, m)
	case FormHeartbeat:
		p.heartbeat(m)
	default:
		p.count.invalid.Add(1)
	}
}

// Advance ends the calls whose time is over and forgets what can no longer matter. now is in Unix
// microseconds, of the messages' clock. It is to be called now and then even if no message comes.
func (p *Pairer) Advance(t *Tracer, now int64) {
	for {
		c := p.calls.due(now)
		if c == nil {
			break
		}
		p.expire(t, c)
	}
	life := p.opts.CastLife.Microseconds()
	p.endQuiet(t, now-p.opts.CastQuiet.Microseconds())
	p.joinQuiet(t, now-joinWithin)
	p.casts.expire(now - life)
	p.traces.expireCasts(&p.processes, now-life, life)
}

// Blind says that from now on, for a while, messages go unseen: the source has lost its connection, or was taken off. That the calls which are open at
// now are not answered then is no timeout; their spans are incomplete.
func (p *Pairer) Blind(now int64) { p.blind = max(p.blind, now) }

// Flush ends everything that is open, marked incomplete: at the end of a file, or at stop. What
// timed out by now is a timeout.
func (p *Pairer) Flush(t *Tracer, now int64) {
	p.Advance(t, now)
	for c := p.calls.soonest(); c != nil; c = p.calls.soonest() {
		p.abandon(t, c)
	}
	for h := p.ends.oldest; h != nil; h = p.ends.oldest {
		p.finishWork(t, h, true)
	}
	for home := p.awaiting.oldest; home != nil; home = p.awaiting.oldest {
		if !p.joined(t, home) {
			p.settleTrace(t, home)
		}
	}
	p.casts.clear()
	p.traces.clear(&p.processes)
}
