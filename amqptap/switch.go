package amqptap

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/management"
)

// restoreTime is how long switching off may take when the tap stops, which is to be over in two seconds.
const restoreTime = 1500 * time.Millisecond

// lamp is one vhost's firehose on one node, of which the taps of this process together know whether they switched it on. A reload
// that changes a tap's settings starts the new tap before the old one stops: the old one must not switch off what
// the new one needs, and the new one must not take for an operator's what the old one switched on.
type lamp struct {
	mu    sync.Mutex // held while the broker is asked or told
	users int        // taps that need it on, if it was off before
}

type lampKey struct{ cluster, node, vhost string }

// lamps are all that were ever switched on: as many as nodes times vhosts.
var lamps = struct {
	mu  sync.Mutex
	all map[lampKey]*lamp
}{all: map[lampKey]*lamp{}}

func lampOf(key lampKey) *lamp {
	lamps.mu.Lock()
	defer lamps.mu.Unlock()
	l := lamps.all[key]
	if l == nil {
		l = new(lamp)
		lamps.all[key] = l
	}
	return l
}

// switcher is one tap's part in it.
type switcher struct {
	mu    sync.Mutex
	ended bool
	lit   map[string]*lit // by node: those that this tap counts as a user of
	left  map[string]bool // nodes where somebody switched off what the tap had on: that is respected
}

// lit is a lamp that the tap uses, and how to reach it when the session has long ended.
type lit struct {
	*lamp
	api  *management.Client
	boot time.Time // of the node, as its statistics tell: the earliest of what they said
	dark time.Time // when it was first seen off; zero while it is on
}

// switchOn has the firehose on, on the node that api answers for, unless the watchdog holds the tap, the broker's version is one that it breaks, or
// an operator switched it off. v is what the node just said.
func (g *guard) switchOn(ctx context.Context, api *management.Client, cluster string, n management.Node, v management.VHost) (on, byUs bool) {
	if parseVersion(g.s.server()).breaksTraced() {
		if g.health.first("version refused") {
			g.log().Error("trace on is refused on this version of the broker", zap.String("server", g.s.server()), zap.String("why", breaksWarning))
		}
		return v.Tracing, false
	}
	if g.health.dogHolds() {
		g.switcher.release(ctx, g.tap)
		return v.Tracing, false
	}
	on, byUs, err := g.switcher.light(ctx, g.tap, api, lampKey{cluster, n.Name, g.URI.Vhost}, n, v)
	if err != nil {
		g.unanswered(ctx, askedSwitch, err)
		return v.Tracing, false
	}
	g.answered(askedSwitch)
	return on, byUs
}

func (s *switcher) light(ctx context.Context, t *tap, api *management.Client, key lampKey, n management.Node, v management.VHost) (on, byUs bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.lit[n.Name]
	switch {
	case s.ended || s.left[n.Name]:
		return v.Tracing, false, nil
	case v.Tracing && mine != nil:
		mine.shines(n)
		return true, true, nil
	case mine != nil:
		restarted, left := mine.judge(n)
		if left {
			s.leave(t, n.Name)
		}
		if !restarted {
			return false, false, nil
		}
	}
	l := lampOf(key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, err = api.VHost(ctx, key.vhost); err != nil { // another tap may have been quicker
		return false, false, err
	}
	if v.Tracing && l.users == 0 {
		return true, false, nil // it was on before any tap
	}
	if !v.Tracing {
		if err := setTracing(ctx, api, v, true); err != nil {
			return false, false, err
		}
		t.log().Warn("the tap switched the firehose on; it switches it off again when it stops, but not if it is killed",
			zap.String("broker", t.broker()), zap.String("node", n.Name))
	}
	if mine == nil {
		own, err := api.At(api.Base().Host)
		if err != nil {
			return true, false, err
		}
		l.users++
		mine = &lit{lamp: l, api: own}
		if s.lit == nil {
			s.lit = map[string]*lit{}
		}
		s.lit[n.Name] = mine
	}
	mine.boot, mine.dark = bootOf(n), time.Time{}
	return true, true, nil
}

// stale is how old a node's statistics may be: twice the broker's default interval.
const stale = 10 * time.Second

// bootOf is when a node began to run, by its statistics: too late by their age. Now, if they do not tell.
func bootOf(n management.Node) time.Time {
	return time.Now().Add(-time.Duration(n.Uptime) * time.Millisecond)
}

// shines notes that it is on.
func (l *lit) shines(n management.Node) {
	if boot := bootOf(n); boot.Before(l.boot) {
		l.boot = boot
	}
	l.dark = time.Time{}
}

// judge tells why what the tap had on is off: the node restarted, and forgot it; or somebody switched it off. If neither, that cannot
// be told yet. A node that restarts within the age of its statistics looks as if somebody had switched: better that than to
// switch on what an operator switched off.
func (l *lit) judge(n management.Node) (restarted, left bool) {
	if n.Uptime == 0 {
		return false, false
	}
	if bootOf(n).Sub(l.boot) > stale {
		return true, false
	}
	if l.dark.IsZero() {
		l.dark = time.Now()
	}
	return false, time.Since(l.dark) > stale // the statistics are of after that
}

// leave respects that somebody switched off what the tap had on.
func (s *switcher) leave(t *tap, node string) {
	l := s.lit[node]
	delete(s.lit, node)
	l.lamp.mu.Lock()
	l.users--
	l.lamp.mu.Unlock()
	l.api.Close()
	if s.left == nil {
		s.left = map[string]bool{}
	}
	s.left[node] = true
	t.log().Warn("somebody switched the firehose off; the tap leaves it so", zap.String("broker", t.broker()), zap.String("node", node))
}

// release switches off what was off before, if no other tap needs it.
func (s *switcher) release(ctx context.Context, t *tap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all sync.WaitGroup
	for node, l := range maps.All(s.lit) {
		all.Go(func() {
			if err := l.darken(ctx, t.URI.Vhost); err != nil {
				t.log().Error("the firehose could not be switched off again", zap.String("broker", t.broker()), zap.String("node", node),
					zap.String("error", redact(err.Error(), t.URI.Password)), zap.String("advice", "rabbitmqctl -n "+quote(node)+" trace_off -p "+quote(t.URI.Vhost)))
			}
		})
	}
	all.Wait()
	s.lit = nil
}

// end is the last release: what a guard still does then comes too late.
func (s *switcher) end(t *tap) {
	ctx, cancel := context.WithTimeout(context.Background(), restoreTime)
	defer cancel()
	s.release(ctx, t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

func (l *lit) darken(ctx context.Context, vhost string) error {
	defer l.api.Close()
	l.lamp.mu.Lock()
	defer l.lamp.mu.Unlock()
	if l.users--; l.users > 0 {
		return nil
	}
	v, err := l.api.VHost(ctx, vhost)
	if err != nil || !v.Tracing {
		return err
	}
	return setTracing(ctx, l.api, v, false)
}

var errNotSwitched = errors.New("the broker took the change and did not make it")

// setTracing switches and looks whether it did: brokers before 4.2.9 may lose one of several such changes at a time.
func setTracing(ctx context.Context, api *management.Client, v management.VHost, on bool) error {
	for range 3 {
		if err := api.SetTracing(ctx, v, on); err != nil {
			return err
		}
		now, err := api.VHost(ctx, v.Name)
		if err != nil || now.Tracing == on {
			return err
		}
	}
	return errNotSwitched
}
