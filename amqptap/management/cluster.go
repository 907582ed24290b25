package management

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Overview is what the API says of itself and its cluster.
type Overview struct {
	Version string `json:"rabbitmq_version"`
	Cluster string `json:"cluster_name"`
	// Node is the one that answers, such as rabbit@host. "" for a user without the tag monitoring.
	Node      string     `json:"node"`
	Listeners []Listener `json:"listeners"` // of all running nodes; none without the tag monitoring
}

// Listener is a port of a node.
type Listener struct {
	Node     string `json:"node"`
	Protocol string `json:"protocol"` // amqp, http, https, …
	Address  string `json:"ip_address"`
	Port     int    `json:"port"`
	Options  any    `json:"socket_opts"` // an object whose ip is nearer the truth than Address; in some versions a list
}

// Overview asks for the version, and who answers.
func (c *Client) Overview(ctx context.Context) (o Overview, err error) {
	return o, c.get(ctx, "columns=rabbitmq_version,cluster_name,node,listeners", &o, "overview")
}

// Addresses are where the API of a node may be found, best guess first, as HOST:PORT: on the port that the node listens on,
// by the host in the node's name, and, for nodes that share a machine, by the host that base names.
func (o Overview) Addresses(node, scheme, baseHost string) (found []string) {
	add := func(host string, port int) {
		if a := net.JoinHostPort(host, strconv.Itoa(port)); !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	_, host, _ := strings.Cut(node, "@")
	for _, l := range o.Listeners {
		if l.Node != node || l.Protocol != scheme || l.Port <= 0 {
			continue
		}
		ip := l.bound()
		if host != "" && host != "localhost" && !ip.IsLoopback() {
			add(host, l.Port)
		}
		if ip.IsValid() && !ip.IsUnspecified() && !ip.IsLoopback() {
			add(ip.String(), l.Port)
		}
		if sameMachine(o.Node, node) {
			add(baseHost, l.Port)
		}
	}
	return found
}

// sameMachine is true of rabbit@host and rabbit2@host.
func sameMachine(a, b string) bool {
	_, hostA, _ := strings.Cut(a, "@")
	_, hostB, _ := strings.Cut(b, "@")
	return hostA == hostB
}

// bound is the address that the listener was told to listen on, invalid if it is not told.
func (l Listener) bound() netip.Addr {
	text := l.Address
	if opts, ok := l.Options.(map[string]any); ok {
		if ip, ok := opts["ip"].(string); ok {
			text = ip
		}
	}
	ip, _ := netip.ParseAddr(text)
	return ip
}

// Node is a member of the cluster.
type Node struct {
	Name      string `json:"name"`
	Running   bool   `json:"running"`
	Uptime    int64  `json:"uptime"` // milliseconds
	MemAlarm  bool   `json:"mem_alarm"`
	DiskAlarm bool   `json:"disk_free_alarm"`
}

// Nodes lists the cluster's members. It needs the tag monitoring.
func (c *Client) Nodes(ctx context.Context) (all []Node, err error) {
	return all, c.get(ctx, "columns=name,running,uptime,mem_alarm,disk_free_alarm", &all, "nodes")
}

// Alarm is a resource that a node runs out of. While there is one anywhere, the cluster blocks all publishers.
type Alarm struct {
	Node     string `json:"node"`
	Resource string `json:"resource"` // memory or disk
}

// Alarms lists the cluster's alarms in force. Brokers without the health check, before 3.8, are asked by Nodes, whose
// statistics are some seconds old.
func (c *Client) Alarms(ctx context.Context) (alarms []Alarm, err error) {
	path := []string{"health", "checks", "alarms"}
	code, body, err := c.exchange(ctx, http.MethodGet, "", nil, path)
	switch {
	case err != nil:
		return nil, err
	case code == http.StatusNotFound:
		return c.alarmsOfNodes(ctx)
	case code != http.StatusOK && code != http.StatusServiceUnavailable:
		return nil, &StatusError{Path: pathOf(path), Code: code}
	}
	var answer struct {
		Status string  `json:"status"`
		Alarms []Alarm `json:"alarms"`
	}
	if err := decode(body, &answer, path); err != nil {
		return nil, err
	}
	if well := code == http.StatusOK && answer.Status == "ok"; !well && len(answer.Alarms) == 0 { // a proxy's answer is no alarm, nor is it all well
		return nil, &StatusError{Path: pathOf(path), Code: code}
	}
	slices.SortFunc(answer.Alarms, byNode)
	return answer.Alarms, nil
}

func byNode(a, b Alarm) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Resource, b.Resource))
}

func (c *Client) alarmsOfNodes(ctx context.Context) (alarms []Alarm, err error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.MemAlarm {
			alarms = append(alarms, Alarm{n.Name, "memory"})
		}
		if n.DiskAlarm {
			alarms = append(alarms, Alarm{n.Name, "disk"})
		}
	}
	slices.SortFunc(alarms, byNode)
	return alarms, nil
}
