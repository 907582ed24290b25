package amqptap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// run keeps the tap connected until ctx ends. Every connection is new, with a channel and a queue of its
// own: amqp091-go's recovery reuses channels, whose delivery tags start again, and was seen to double messages.
func (t *tap) run(ctx context.Context) {
	defer close(t.done)
	var restored sync.WaitGroup
	defer restored.Wait()
	restored.Go(func() { // beside the closing of the connection: both must be done when Stop returns
		<-ctx.Done()
		t.switcher.end(t)
	})
	wait := backoff{waits: t.waits}
	var said saidOnce
	for ctx.Err() == nil {
		began := time.Now()
		trouble := t.connectAndConsume(ctx, &said)
		if ctx.Err() != nil {
			break
		}
		t.counters.failures.Add(1)
		if t.live.isUp() && time.Since(began) >= t.healthy {
			wait.reset()
		}
		pause := wait.next()
		if trouble.lasting {
			pause = t.longest
		}
		t.lost(trouble, &said)
		t.idle(ctx, pause)
	}
	t.live.down("stopped")
}

// connectAndConsume is the life of one connection. It returns why that ended.
func (t *tap) connectAndConsume(ctx context.Context, said *saidOnce) *trouble {
	s, trouble := t.connect(ctx)
	if trouble != nil {
		return trouble
	}
	var taking sync.WaitGroup
	defer taking.Wait() // it ends with the connection
	defer s.close()
	t.anew()
	t.counters.connects.Add(1)
	t.live.up(s.server(), s.queue)
	defer t.health.down()
	defer t.blind.Store(true)
	t.health.watched(&t.dog, 0, s.isBound.Load())
	t.found(s, said)

	var checks sync.WaitGroup
	defer checks.Wait()
	checking, cancel := context.WithCancel(ctx)
	defer cancel()
	checks.Go(func() { t.guard(checking, s) })
	taking.Go(s.consumer.takeAll)
	return t.consume(ctx, s, said)
}

// idle waits, and still ends the calls whose time is over.
func (t *tap) idle(ctx context.Context, pause time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.guarded(t.advance)
		}
	}
}

// saidOnce remembers what was logged last, so that an outage of hours is two lines in the log.
type saidOnce struct {
	problem string // why there is no connection
	dangers bool   // what is dangerous about this mode and this broker
	silence bool   // that the firehose may be switched off
}

// lost logs why there is no connection, once until the reason changes.
func (t *tap) lost(tr *trouble, said *saidOnce) {
	reason := redact(tr.Error(), t.URI.Password)
	t.live.down(reason)
	problem := t.withoutChance(reason)
	if problem == said.problem {
		return
	}
	said.problem = problem
	fields := []zap.Field{zap.String("broker", t.broker()), zap.String("error", reason)}
	if tr.advice != "" {
		fields = append(fields, zap.String("advice", tr.advice))
	}
	if tr.lasting {
		t.log().Error("cannot tap the broker; trying again every half minute", fields...)
		return
	}
	t.log().Warn("not connected to the broker; trying until it is back", fields...)
}

// ownPort is the tap's in the error of a socket, which names both ends.
var ownPort = regexp.MustCompile(`:[0-9]+->`)

// withoutChance leaves out of a reason what differs from one attempt to the next: the word that ends the queue's name, and the port.
func (s *settings) withoutChance(reason string) string {
	reason = ownPort.ReplaceAllString(reason, "->")
	before, after, found := strings.Cut(reason, s.Queue+s.Host+".")
	if !found {
		return reason
	}
	return before + s.Queue + after[min(len(after), 2*queueWord):]
}

// found logs a new connection, and what is dangerous about it.
func (t *tap) found(s *session, said *saidOnce) {
	t.log().Info("tapping the broker", zap.String("broker", t.broker()), zap.String("mode", t.Mode),
		zap.String("queue", s.queue), zap.String("server", s.server()), zap.Bool("again", said.problem != ""))
	said.problem = ""
	if said.dangers {
		return
	}
	said.dangers = true
	if v := parseVersion(s.server()); t.Mode == "firehose" {
		if v.breaksTraced() {
			t.log().Warn(breaksWarning, zap.String("server", s.server()))
		}
		if v.hidesDirectReplies() {
			t.log().Info(directNote, zap.String("server", s.server()))
		}
	}
	if t.Mode == "mirror" && t.AcceptChanges {
		t.log().Warn("MIRROR MODE CHANGES WHAT THE WATCHED PROGRAMS SEE: the tap's queue is now a destination of these "+
			"exchanges, so a mandatory message that no service takes is no longer returned to its sender (a call to an "+
			"unknown service then fails by timeout, not at once), an alternate exchange is not used, and publisher confirms "+
			"and credit flow include the tap's queue; keep the keys narrow, or use the firehose",
			zap.Any("exchanges", t.Mirror))
	}
}

// hintSilence tells an operator who forgot to switch the firehose on.
func (t *tap) hintSilence() {
	if t.health.dogHolds() || t.health.firehoseOn() {
		return // it is known why, or that it is the vhost that is silent
	}
	t.log().Warn("the firehose is silent; unless nothing uses this vhost it is switched off: rabbitmqctl trace_on -p "+
		quote(t.URI.Vhost)+" (on each node of a cluster, and again after each restart of one)", zap.String("broker", t.broker()))
}

func (l *live) isUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connected
}

// broker is the address without user and password.
func (s *settings) broker() string {
	return fmt.Sprintf("%s:%d/%s", s.URI.Host, s.URI.Port, s.URI.Vhost)
}

var errLost = errors.New("the connection was lost")
