package amqptap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/management"
)

const (
	roundLimit = 25 * time.Second // of one round through the nodes
	peerRetry  = 5 * time.Minute  // after which a node that could not be asked is tried again
	mostNodes  = 64
)

// peer is a node's own address of the management API.
type peer struct {
	client *management.Client // nil if none was found
	retry  time.Time          // when to look for one again
}

// recheck has survey look at the firehose now, not in half a minute.
func (t *tap) recheck() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// askTracing finds out on which nodes the firehose is on, switches it if told to, and warns of those where it is off: the calls of
// their connections are invisible. Each node knows of itself alone, so each is asked at its own address; what cannot be
// asked is inferred from whose messages come.
func (g *guard) askTracing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	o, err := g.api.Overview(ctx)
	if err != nil {
		g.unanswered(ctx, "overview", err)
		return
	}
	g.answered("overview")
	v, err := g.api.VHost(ctx, g.URI.Vhost)
	if err != nil {
		g.unanswered(ctx, "firehose", err)
		return
	}
	g.answered("firehose")
	nodes := g.nodes(ctx, v)
	if o.Node == "" && len(nodes) == 1 {
		o.Node = nodes[0].Name
	}
	states := map[string]NodeTracing{}
	for _, n := range nodes {
		states[n.Name] = g.tracingOf(ctx, o, n, v)
	}
	if ctx.Err() != nil {
		return
	}
	g.infer(states)
	g.health.setNodes(states)
	g.warnOfNodes(states)
}

// nodes are those that run. Without the tag monitoring they are known by name only.
func (g *guard) nodes(ctx context.Context, v management.VHost) (running []management.Node) {
	all, err := g.api.Nodes(ctx)
	if err != nil {
		if !errors.Is(err, management.ErrNotAllowed) || len(v.States) > 1 {
			g.unanswered(ctx, askedNodes, err)
		}
		for _, name := range slices.Sorted(maps.Keys(v.States)) {
			if v.States[name] == "running" {
				running = append(running, management.Node{Name: name, Running: true})
			}
		}
		return running
	}
	g.answered(askedNodes)
	all = slices.DeleteFunc(all, func(n management.Node) bool { return !n.Running })
	return all[:min(len(all), mostNodes)]
}

// tracingOf asks one node, and switches its firehose if that is wanted. v is the answer of o.Node.
func (g *guard) tracingOf(ctx context.Context, o management.Overview, n management.Node, v management.VHost) NodeTracing {
	api := g.api
	if n.Name != o.Node {
		if api = g.peerOf(ctx, o, n.Name); api == nil {
			return NodeTracing{State: "unknown"}
		}
		var err error
		if v, err = api.VHost(ctx, g.URI.Vhost); err != nil {
			return NodeTracing{State: "unknown"}
		}
	}
	on, byUs := v.Tracing, false
	if g.Trace {
		on, byUs = g.switchOn(ctx, api, o.Cluster, n, v)
	}
	if on {
		return NodeTracing{State: "on", ByUs: byUs}
	}
	return NodeTracing{State: "off"}
}

// peerOf is a client of the API of another node, nil if that cannot be reached. An address counts only if that node answers there.
func (g *guard) peerOf(ctx context.Context, o management.Overview, node string) *management.Client {
	if p := g.peers[node]; p != nil && (p.client != nil || time.Now().Before(p.retry)) {
		return p.client
	}
	found := &peer{retry: time.Now().Add(peerRetry)}
	base := g.api.Base()
	for _, address := range o.Addresses(node, base.Scheme, base.Hostname()) {
		c, err := g.api.At(address)
		if err != nil {
			continue
		}
		if there, err := c.Overview(ctx); err == nil && there.Node == node {
			found.client = c
			break
		}
		c.Close()
	}
	if ctx.Err() == nil {
		g.peers[node] = found
	}
	return found.client
}

// infer adds the connections, and what these tell of nodes that could not be asked.
func (g *guard) infer(states map[string]NodeTracing) {
	counts := g.names.byNode()
	seen := 0
	for _, c := range counts {
		seen += c.seen
	}
	for name, s := range states {
		c := counts[name]
		s.Connections = c.all
		switch {
		case s.State != "unknown":
		case c.seen > 0:
			s.State = "seen"
		case c.all > 0 && seen > 0:
			s.State = "unseen"
		}
		states[name] = s
	}
}

// warnOfNodes tells of each node once until it has changed.
func (g *guard) warnOfNodes(states map[string]NodeTracing) {
	for _, name := range slices.Sorted(maps.Keys(states)) {
		s := states[name]
		if s.State == "on" || s.State == "seen" {
			g.health.again("node " + name)
			continue
		}
		if g.health.dogHolds() || s.State == "unknown" && len(states) > 1 && s.Connections == 0 || !g.health.first("node "+name) {
			continue
		}
		g.log().Warn("THE FIREHOSE IS NOT SEEN TO BE ON EVERYWHERE: calls of this node's connections are invisible where it is off",
			zap.String("broker", g.broker()), zap.String("node", name), zap.String("firehose", s.State), zap.Int("connections", s.Connections),
			zap.String("advice", g.traceOnLine(name)))
	}
}

func (s *settings) traceOnLine(node string) string {
	return strings.Join([]string{"rabbitmqctl -n", quote(node), "trace_on -p", quote(s.URI.Vhost)}, " ")
}

// closeClients ends what the clients keep open.
func (g *guard) closeClients() {
	g.api.Close()
	for _, p := range g.peers {
		if p.client != nil {
			p.client.Close()
		}
	}
}
