package amqptap

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/management"
)

// watchTime is between two looks at the tap's own queue.
const watchTime = time.Second

// overflowing is how full the queue is when the broker, between two looks, may have dropped what was in it.
const overflowing = 0.9

// guard sees to it that one session harms nobody. It runs beside the session's consumer:
//
//	watch       own queue, by AMQP ──► watchdog ──► bind, unbind
//	survey      management API: alarms, policies, what a mirror may bind, the firehose node by node
//	pollNames   management API: who is connected
//
// The last two need management. What they find is in tap.health, for watch and for Status.
type guard struct {
	*tap
	s     *session
	api   *management.Client // nil without management
	peers map[string]*peer   // of survey: the nodes' own addresses of that API
}

// guard guards a session until ctx ends.
func (t *tap) guard(ctx context.Context, s *session) {
	g := &guard{tap: t, s: s, peers: map[string]*peer{}}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { g.watch(ctx) })
	var err error
	if g.api, err = t.newAPI(); err != nil {
		g.unanswered(ctx, "anything", err)
	}
	if g.api == nil {
		return
	}
	all.Go(func() { g.survey(ctx) })
	all.Go(func() { g.pollNames(ctx) })
	all.Wait()
	g.closeClients()
}

// watch looks at the tap's own queue and binds it or not, until ctx or the session ends.
func (g *guard) watch(ctx context.Context) {
	tick := time.NewTicker(watchTime)
	defer tick.Stop()
	errand := errand{done: make(chan int, 1)}
	depth := 0
	for {
		select {
		case <-ctx.Done():
			errand.end(g.s)
			return
		case now := <-tick.C:
			v := g.vitals(now, depth, errand.waiting(now))
			if v.fill > overflowing {
				g.blind.Store(true)
			}
			changed := g.dog.observe(now, v)
			if changed {
				g.told()
			}
			if errand.under() && changed && g.dog.held {
				g.s.raw.Close() // the tap does not even read answers: its queue goes with its connection
			}
			errand.run(now, g.s, g.wanted())
		case depth = <-errand.done:
			errand.began = time.Time{}
			if depth < 0 {
				return // the session is over; the consumer meets the same error, and tells of it
			}
			if g.dog.held {
				g.blind.Store(true) // the answer came behind all that was delivered before: those calls saw no later message either
			}
		}
		g.health.watched(&g.dog, depth, g.s.isBound.Load())
	}
}

// errand is a round of questions to the broker, whose answers come behind all the messages that the tap has yet to read: a tap that is
// stuck gets none. So watch does not wait for them.
type errand struct {
	began time.Time // zero if there is none under way
	done  chan int  // how many messages wait in the queue; -1: the session is over
}

func (e *errand) under() bool { return !e.began.IsZero() }

// waiting is how long the answers have been due.
func (e *errand) waiting(now time.Time) time.Duration {
	if !e.under() {
		return 0
	}
	return now.Sub(e.began)
}

// run makes the bindings of the session's queue those wanted and asks how many messages wait in it, unless such a round is under way.
func (e *errand) run(now time.Time, s *session, wanted []Binding) {
	if e.under() {
		return
	}
	e.began = now
	go func() {
		depth := -1
		if _, err := s.bind(wanted); err == nil {
			if n, err := s.depth(); err == nil {
				depth = n
			}
		}
		e.done <- depth
	}()
}

// end waits for the round under way; not for long, as a broker may not answer at all.
func (e *errand) end(s *session) {
	if e.under() {
		give := time.AfterFunc(drainTime, func() { s.raw.Close() })
		defer give.Stop()
		<-e.done
	}
}

// wanted are the bindings that the tap's queue may have now. One goroutine at a time asks: that which makes a session, then its
// guard's.
func (t *tap) wanted() []Binding {
	switch {
	case t.dog.held:
		return nil
	case t.Mode == "mirror" && !t.AcceptChanges:
		return t.health.mayBind()
	}
	return t.bindings()
}

// vitals are measured, but for the bytes in the queue and the lag of a tap that cannot measure it: of these the most that it can be.
// waiting is how long the broker's answers have been due, behind the messages that are yet to be read.
func (g *guard) vitals(now time.Time, depth int, waiting time.Duration) vitals {
	v := vitals{
		lag:    max(g.lag(now, depth > 0), waiting-watchTime),
		fill:   float64(depth) / float64(g.MaxLength),
		alarms: g.health.alarmsAt(now),
	}
	if events := g.counters.events(); events > 0 {
		each := float64(g.counters.bytes.Load()) / float64(events) // with headers, which the broker does not count
		v.fill = max(v.fill, min(1, each*float64(depth)/float64(g.MaxBytes)))
	}
	return v
}

// lag is how far the tap is behind. Who has read nothing for a while is behind only if something waits; so is who
// cannot measure it, and only knows for how long there was no pause.
func (t *tap) lag(now time.Time, waiting bool) time.Duration {
	last := t.counters.lastEvent.Load()
	if last == 0 {
		return 0
	}
	reading := t.clock.reading()
	idle := now.Sub(time.UnixMicro(last))
	switch {
	case waiting && idle > time.Second:
		return idle
	case waiting, reading.Source == "measured" && idle <= time.Second:
		return reading.Lag
	}
	return 0
}

// told logs that the watchdog changed its mind, and has survey look at the firehose.
func (g *guard) told() {
	g.recheck()
	broker := zap.String("broker", g.broker())
	if g.dog.held {
		g.blind.Store(true)
		g.log().Warn("the tap took its queue off the broker, before it harms; calls are not seen until it is back",
			broker, zap.String("why", g.dog.why), zap.Duration("for_at_least", g.dog.pause))
		return
	}
	g.log().Info("the tap's queue is bound again", broker, zap.String("after", g.dog.why))
}
