package amqptap

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/amqptap/management"
	"github.com/calltap/calltap/spanbuilder"
)

// How often the management API is asked who is connected: more often while messages of unknown connections come, see waits.
const (
	namesSeldom = 30 * time.Second
	namesLimit  = 20 * time.Second // of one round, all its pages
)

// names know the programs behind connections, from what the management API tells of these. The Pairer reads
// them while they are renewed: each round makes a new table.
type names struct {
	table   atomic.Pointer[map[string]*named]
	unknown atomic.Bool // a message came of a connection that is not in the table
}

// named is one connection.
type named struct {
	spanbuilder.Identity
	node string
	seen atomic.Bool // the firehose showed a message of it
}

// identify is a PairerOptions.Identify.
func (n *names) identify(connection string) spanbuilder.Identity {
	if table := n.table.Load(); table != nil {
		if c := (*table)[connection]; c != nil {
			if !c.seen.Load() {
				c.seen.Store(true)
			}
			return c.Identity
		}
	}
	if !n.unknown.Load() {
		n.unknown.Store(true)
	}
	return spanbuilder.Identity{}
}

// renew takes a list of the API's. A connection that is still there keeps that it was seen.
func (n *names) renew(list []management.Connection) {
	old := n.table.Load()
	table := make(map[string]*named, len(list))
	for _, c := range list {
		entry := &named{Identity: identityOf(c.Name, c.Provided), node: c.Node}
		if old != nil {
			if was := (*old)[c.Name]; was != nil && was.Identity == entry.Identity && was.node == entry.node {
				entry = was
			}
		}
		table[c.Name] = entry
	}
	n.table.Store(&table)
}

// byNode counts the connections of each node, and those of which a message was seen.
func (n *names) byNode() map[string]nodeConnections {
	counts := map[string]nodeConnections{}
	if table := n.table.Load(); table != nil {
		for _, c := range *table {
			count := counts[c.node]
			count.all++
			if c.seen.Load() {
				count.seen++
			}
			counts[c.node] = count
		}
	}
	return counts
}

type nodeConnections struct{ all, seen int }

// pollNames keeps the names fresh until ctx ends.
func (g *guard) pollNames(ctx context.Context) {
	for wait := time.Duration(0); sleep(ctx, wait); wait = g.untilUnknown(ctx) {
		g.names.unknown.Store(false)
		g.renewNames(ctx)
	}
}

func (g *guard) renewNames(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesLimit)
	defer cancel()
	list, truncated, err := g.api.Connections(ctx, g.URI.Vhost)
	if err != nil {
		g.unanswered(ctx, askedNames, err)
		return
	}
	g.answered(askedNames)
	g.names.renew(slices.DeleteFunc(list, isTap))
	if truncated && g.health.first("truncated") {
		g.log().Warn("there are more connections than the tap asks for: some have no program's name")
	}
}

// untilUnknown waits for the time when names should be asked for again, at least as long as between any two questions.
func (g *guard) untilUnknown(ctx context.Context) time.Duration {
	for waited := g.asking; waited < namesSeldom; waited += g.asking {
		if !sleep(ctx, g.asking) || g.names.unknown.Load() {
			return 0
		}
	}
	return g.asking
}

// sleep reports whether ctx still lasts after d.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
