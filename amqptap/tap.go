package amqptap

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

// taps holds the running taps by their settings. A reload starts the new configuration before it
// stops the old one, so a tap whose settings stay the same always has a user and is never interrupted.
var taps = caddy.NewUsagePool()

// moduleLog is asked for at each message, not kept: a tap outlives the configuration, and the log
// files, that it was started by.
func moduleLog() *zap.Logger { return caddy.Log().Named("calltap.sources.rabbitmq") }

// tap is one connection to a broker and the calls seen over it. One goroutine, run, does all the
// work; the rest of the program talks to it through the tracer stack, counters and live.
type tap struct {
	settings
	*stream
	log  func() *zap.Logger
	live live // what Status tells of the connection

	dog      watchdog // of the goroutine that makes a session, then of its guard's
	health   health
	names    *names
	switcher switcher
	poke     chan struct{} // see recheck
	rates    rates
	blind    atomic.Bool // what happens now goes unseen: the Pairer is to be told

	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards tracers and awake, and is held while one of the former is in use
	awake   wakefulness
	tracers []*spanbuilder.Tracer // the newest configuration's is the last
}

func startTap(s settings, log func() *zap.Logger) (*tap, error) {
	options := spanbuilder.PairerOptions{DefaultTimeout: s.Timeout, CastQuiet: s.Quiet}
	known := new(names)
	if s.Management != "" {
		options.Identify = known.identify
	}
	st, err := newStream(dialect.Limits{MaxBody: s.MaxBody}, s.Dialects, options)
	if err != nil {
		return nil, err
	}
	st.clock = new(clock)
	ctx, cancel := context.WithCancel(context.Background())
	t := &tap{settings: s, stream: st, log: log, cancel: cancel, done: make(chan struct{}), names: known, poke: make(chan struct{}, 1)}
	t.rates.tick(time.Now(), 0)
	t.dog.Watchdog = *s.Watchdog.withDefaults()
	go t.run(ctx)
	return t, nil
}

// push makes tr the Tracer in use.
func (t *tap) push(tr *spanbuilder.Tracer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tracers = append(t.tracers, tr)
}

// remove takes tr out of use; the newest of the others follows it, which after a failed reload is the
// old configuration's. When remove returns tr is used no more.
func (t *tap) remove(tr *spanbuilder.Tracer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range slices.Backward(t.tracers) {
		if other == tr {
			t.tracers = slices.Delete(t.tracers, i, i+1)
			return
		}
	}
}

// with calls f with the Tracer in use. Before there is one there are no spans.
func (t *tap) with(f func(tr *spanbuilder.Tracer)) {
	t.mu.Lock()
	defer t.mu.Unlock() // f may panic, see handle
	if n := len(t.tracers); n > 0 {
		f(t.tracers[n-1])
	}
}

// wakefulness notices that the process was stopped, or starved of CPU: its queue may have overflowed meanwhile, and what it reads
// first is from before that. Times are in Unix microseconds.
type wakefulness struct {
	last   int64 // when it was asked; 0: it does not matter
	unsure int64 // until when what is read may be from before
}

const sleepTime = 2 * time.Second // twenty ticks

func (w *wakefulness) slept(now int64) bool {
	if w.last != 0 && now-w.last > sleepTime.Microseconds() {
		w.unsure = now + sleepTime.Microseconds()
	}
	w.last = now
	return now < w.unsure
}

// lookAwake is for whoever holds mu, and before the Pairer is told what time it is.
func (t *tap) lookAwake(now int64) {
	if t.awake.slept(now) {
		t.pairer.Blind(now)
	}
}

// anew has it that the tap did not sleep up to now: to connect may take its time.
func (t *tap) anew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.awake.last = 0
}

// advance ends the calls whose time is over.
func (t *tap) advance() {
	t.with(func(tr *spanbuilder.Tracer) {
		now := t.clock.seenUntil(time.Now().UnixMicro())
		t.lookAwake(time.Now().UnixMicro())
		if t.blind.CompareAndSwap(true, false) {
			t.pairer.Blind(now)
		}
		t.pairer.Advance(tr, now)
		t.counters.badContext.Store(t.badContexts())
		t.counters.batches.Store(t.dialects.Batches)
	})
	t.rates.tick(time.Now(), t.counters.events())
}

// Destruct implements caddy.Destructor: it ends the tap and returns when all its spans are offered.
func (t *tap) Destruct() error {
	t.cancel()
	<-t.done
	t.with(func(tr *spanbuilder.Tracer) { t.pairer.Flush(tr, time.Now().UnixMicro()) })
	return nil
}
