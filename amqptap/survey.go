package amqptap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/management"
)

// tracingTime is between two rounds through the cluster's nodes.
const tracingTime = 30 * time.Second

// checkManagement is what can be said of the management URL before its placeholders are known.
func checkManagement(address string) error {
	if address == "" || strings.HasPrefix(address, "{") {
		return nil
	}
	_, err := management.ParseURL(strings.NewReplacer("{", "", "}", "").Replace(address))
	if err != nil {
		return fmt.Errorf("management: %w", err)
	}
	return nil
}

// newAPI makes a client of the management API, nil if there is none.
func (t *tap) newAPI() (*management.Client, error) {
	if t.Management == "" {
		return nil, nil
	}
	base, err := management.ParseURL(t.Management)
	if err != nil {
		return nil, err
	}
	o := management.Options{URL: base, Username: t.URI.Username, Password: t.URI.Password, TLS: t.TLS.load}
	if base.User != nil {
		o.Username = base.User.Username()
		o.Password, _ = base.User.Password()
	}
	return management.New(o)
}

// survey asks the management API until ctx ends.
func (g *guard) survey(ctx context.Context) {
	tick := time.NewTicker(g.asking)
	defer tick.Stop()
	var tracing time.Time // when the next round is due
	for {
		g.askAlarms(ctx)
		g.askPolicies(ctx)
		g.askMirror(ctx)
		if now := time.Now(); g.Mode == "firehose" && !now.Before(tracing) {
			g.askTracing(ctx)
			tracing = now.Add(tracingTime)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-g.poke:
			tracing = time.Time{}
		}
	}
}

func (g *guard) askAlarms(ctx context.Context) {
	alarms, err := g.api.Alarms(ctx)
	if err != nil {
		g.unanswered(ctx, "alarms", err)
		return
	}
	g.answered("alarms")
	g.health.setAlarms(time.Now(), alarms)
}

// askPolicies asks whether a policy that matches the tap's queue makes it harm others: by dead-lettering what it drops, or
// refusing messages when it is full. The API knows of a new queue with its statistics, after some seconds.
func (g *guard) askPolicies(ctx context.Context) {
	const what = "policies of the tap's queue"
	q, err := g.api.Queue(ctx, g.URI.Vhost, g.s.queue)
	if errors.Is(err, management.ErrNotFound) { // not yet
		return
	}
	if err != nil {
		g.unanswered(ctx, what, err)
		return
	}
	g.answered(what)
	dangers := q.Dangers()
	g.health.setPolicies(dangers)
	for _, danger := range dangers {
		if g.health.first("policy " + danger) {
			g.log().Warn("A POLICY MAKES THE TAP'S QUEUE DANGEROUS; exclude its name from the policy's pattern", zap.String("queue", q.Name),
				zap.String("policy", q.Policy), zap.String("operator_policy", q.Operator), zap.String("definition", danger))
		}
	}
}

// askMirror asks which keys of a mirror are harmless, over and over: services come and go.
func (g *guard) askMirror(ctx context.Context) {
	if g.Mode != "mirror" || g.AcceptChanges {
		return
	}
	var all []Binding
	var refused []refusal
	for _, b := range g.Mirror {
		keys, no, err := g.harmless(ctx, g.api, b)
		if err != nil {
			g.unanswered(ctx, "exchange "+b.Exchange, err)
			g.health.setMirror(nil, nil) // what is not known to be harmless is not bound
			return
		}
		g.answered("exchange " + b.Exchange)
		refused = append(refused, no...)
		if len(keys) > 0 {
			all = append(all, Binding{Exchange: b.Exchange, Keys: keys})
		}
	}
	g.health.setMirror(all, refused)
	for _, r := range refused {
		if g.health.first("refused " + r.Exchange + " " + r.Key + " " + r.Why) {
			g.log().Warn("the mirror does not bind this key, which would change what the watched programs see",
				zap.String("exchange", r.Exchange), zap.String("key", r.Key), zap.String("why", r.Why),
				zap.String("advice", "use the firehose, or accept it with accept_changes"))
		}
	}
}

// unanswered tells, once, that the API did not say what it was asked for.
func (g *guard) unanswered(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	why := redact(err.Error(), g.URI.Password)
	g.health.problem(what, why)
	fields := []zap.Field{zap.String("broker", g.broker()), zap.String("question", what), zap.String("error", why)}
	word := why
	if errors.Is(err, management.ErrNotAllowed) {
		tag := tagFor(what)
		if g.Trace {
			tag = "administrator" // the command replaces the tags that a user has
		}
		word = "tag " + tag // one line for all that the tag would answer
		fields = append(fields, zap.String("advice", "check the user's password first; then it needs that tag: rabbitmqctl set_user_tags "+quote(g.apiUser())+" "+tag))
	}
	if g.health.first(word) {
		g.log().Warn("the management API does not tell what the tap asks", fields...)
	}
}

func (g *guard) answered(what string) { g.health.problem(what, "") }

// tagFor is the least tag that lets a user ask for what.
func tagFor(what string) string {
	switch {
	case what == askedSwitch:
		return "administrator"
	case slices.Contains([]string{askedNames, askedNodes}, what):
		return "monitoring"
	}
	return "management"
}

// What a user's tag may not suffice for.
const (
	askedNames  = "names of connections"
	askedNodes  = "firehose of other nodes"
	askedSwitch = "switching the firehose"
)

// apiUser is who asks the management API.
func (t *tap) apiUser() string {
	if base, err := management.ParseURL(t.Management); err == nil && base.User != nil {
		return base.User.Username()
	}
	return t.user()
}

// connectionPrefix begins the names of all taps' connections.
const connectionPrefix = "calltap/"

// isTap is true of a connection of this or another tap.
func isTap(c management.Connection) bool { return strings.HasPrefix(c.Provided, connectionPrefix) }
