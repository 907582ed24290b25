package amqptap

import (
	"context"
	"fmt"
	"slices"

	"github.com/calltap/calltap/amqptap/management"
)

// firehose tells on which nodes it is on.
func (c *checker) firehose(ctx context.Context, u management.User) {
	o, err := c.api.Overview(ctx)
	if err != nil {
		c.unanswered("firehose", err, "monitoring")
		return
	}
	v, err := c.api.VHost(ctx, c.URI.Vhost)
	if err != nil {
		c.unanswered("firehose", err, "management")
		return
	}
	g := &guard{tap: c.tap, api: c.api, peers: map[string]*peer{}}
	defer g.closeClients()
	nodes := g.nodes(ctx, v)
	if o.Node == "" && len(nodes) == 1 {
		o.Node = nodes[0].Name
	}
	trace := c.Trace
	g.Trace = false // to look is not to switch
	defer func() { g.Trace = trace }()
	off := 0
	for _, n := range nodes {
		switch state := g.tracingOf(ctx, o, n, v).State; {
		case state == "on":
			c.add(levelOK, "firehose", "on at "+n.Name, "")
		case state == "off" && trace:
			off++
			c.add(levelOK, "firehose", "off at "+n.Name+"; the tap would switch it on", "")
		case state == "off":
			c.add(levelWarning, "firehose", "OFF at "+n.Name+": calls of its connections would not be seen", c.traceOnLine(n.Name))
		default:
			c.add(levelUnknown, "firehose", "at "+n.Name+", whose management API cannot be reached", c.traceOnLine(n.Name))
		}
	}
	if trace && off > 0 && !slices.Contains(u.Tags, "administrator") {
		c.add(levelWarning, "firehose", "the tap may not switch it on", "rabbitmqctl set_user_tags "+quote(u.Name)+" administrator")
	}
}

// mirror tells what the tap's queue, as one more destination, would change for the watched programs.
func (c *checker) mirror(ctx context.Context) {
	if c.api == nil {
		if c.AcceptChanges {
			c.add(levelWarning, "mirror", "it may change what the watched programs see (accept_changes): unroutable messages are no longer returned to their senders", "")
		}
		return
	}
	if !c.AcceptChanges {
		c.Bindings = nil // but for what turns out to change nothing
	}
	for _, b := range c.Mirror {
		keys, refused, err := c.harmless(ctx, c.api, b)
		if !c.AcceptChanges && len(keys) > 0 {
			c.Bindings = append(c.Bindings, Binding{Exchange: b.Exchange, Keys: keys})
		}
		if err != nil {
			c.unanswered("mirror", err, "management")
			continue
		}
		for _, k := range keys {
			c.add(levelOK, "mirror", fmt.Sprintf("%s %s changes nothing: another queue is bound with it", b.Exchange, k), "")
		}
		for _, r := range refused {
			if c.AcceptChanges {
				c.add(levelWarning, "mirror", fmt.Sprintf("%s %s changes what the watched programs see (accept_changes): %s", r.Exchange, r.Key, r.Why), "")
			} else {
				c.add(levelWarning, "mirror", fmt.Sprintf("%s %s would not be bound: %s", r.Exchange, r.Key, r.Why), "use the firehose, or accept what it changes with accept_changes")
			}
		}
	}
}
