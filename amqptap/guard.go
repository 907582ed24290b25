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
	poke  chan struct{}      // the watchdog changed its mind: survey is to look at the firehose now
}

// guard guards a session until ctx ends.
func (t *tap) guard(ctx context.Context, s *session) {
	g := &guard{tap: t, s: s, peers: map[string]*peer{}, poke: make(chan struct{}, 1)}
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
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if !g.look(now) {
				return // the consumer meets the same error, and tells of it
			}
		}
	}
}

// look is one tick of watch. False means that the session is over.
func (g *guard) look(now time.Time) bool {
	depth, err := g.s.depth()
	if err != nil {
		return false
	}
	changed := g.dog.observe(now, g.vitals(now, depth))
	_, err = g.s.bind(g.wanted())
	g.health.watched(&g.dog, depth, len(g.s.bound) > 0)
	if changed {
		g.told()
	}
	return err == nil
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
func (g *guard) vitals(now time.Time, depth int) vitals {
	v := vitals{
		lag:    g.lag(now, depth > 0),
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
	select {
	case g.poke <- struct{}{}:
	default:
	}
	broker := zap.String("broker", g.broker())
	if g.dog.held {
		g.log().Warn("the tap took its queue off the broker, before it harms; calls are not seen until it is back",
			broker, zap.String("why", g.dog.why), zap.Duration("for_at_least", g.dog.pause))
		return
	}
	g.log().Info("the tap's queue is bound again", broker, zap.String("after", g.dog.why))
}
