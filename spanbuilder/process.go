package spanbuilder

import (
	"hash/maphash"
	"slices"
)

// processes tells which connections and queues belong to one process, since a process uses several
// connections (oslo.messaging consumes on one and publishes on others) and the broker names only those.
// What is joined, as a union-find:
//
//	connection that publishes a request       ∪  the reply address that the request names
//	connection that a reply is delivered to   ∪  that reply address
//	connection that a fanout is delivered to  ∪  the fanout queue, which is one consumer's own
//	connection that publishes a reply         ∪  the connection that got the request
//	connections of which Identify tells the same Process
//
// Reply addresses are exclusive, so two sets that hold one each are different processes, and so are two of different names.
type processes struct {
	byKey map[uint64]uint32
	nodes []process
	free  []uint32
	max   int
	count *counters

	identify func(connection string) Identity // nil: nobody knows
}

// process is a node; what is said of the whole set stands at its root.
type process struct {
	parent uint32
	gen    uint32 // of this slot; a processRef of another generation means nobody
	size   uint32
	reply  bool // the set holds a reply address
	named  bool // the set holds a process that Identify named
	known  bool // Identify told the process of this connection
	key    uint64
	used   int64 // when the node was last seen, µs
	asked  int64 // when Identify was last asked, µs
	set    processFacts
}

// processFacts are what is known of a set.
type processFacts struct {
	label  string    // the topic that it serves
	name   string    // what its program calls itself, "" if that is unknown or says nothing
	seen   int64     // when it last published or received, µs
	before int64     // the same, before the message at hand
	work   *activity // a ring of the calls that it works on
	log    *workLog
}

// processRef names a node for as long as its slot is not reused. The zero value is nobody.
type processRef struct{ index, gen uint32 }

func (r processRef) known() bool { return r.gen != 0 }

// recently is how near in time two uses of one connection name must be to be of one process. Brokers name
// connections by address and port, and ports are used again.
const recently = int64(60e6)

func (s *processes) init(limit int, c *counters) {
	s.byKey, s.max, s.count = make(map[uint64]uint32), limit, c
}

// seed is of keys that leave this process in no form.
var seed = maphash.MakeSeed()

func processKey(name string) uint64 { return mix(maphash.String(seed, name), processDomain) }

func connectionKey(name string) uint64 { return maphash.String(seed, name) }

func queueKey(vhost, name string) uint64 {
	return mix(maphash.String(seed, vhost), maphash.String(seed, name))
}

// connection returns the node of a connection, nobody if it has no name.
func (s *processes) connection(name string, now int64) processRef {
	if name == "" {
		return processRef{}
	}
	return s.identified(name, s.node(connectionKey(name), now), now)
}

// replyQueue returns the node of a reply address.
func (s *processes) replyQueue(vhost, name string, now int64) processRef {
	if name == "" {
		return processRef{}
	}
	r := s.node(queueKey(vhost, name), now)
	s.nodes[s.root(r)].reply = true
	return r
}

func (s *processes) node(key uint64, now int64) processRef {
	if i, ok := s.byKey[key]; ok {
		n := &s.nodes[i]
		if now-n.used > recently {
			n.known, n.asked = false, 0 // the port may be another's by now
		}
		n.used = max(n.used, now)
		return processRef{i, s.nodes[i].gen}
	}
	return s.add(key, now)
}

func (s *processes) add(key uint64, now int64) processRef {
	if len(s.free) == 0 && len(s.nodes) >= s.max {
		s.shrink()
	}
	var i uint32
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		i = uint32(len(s.nodes))
		s.nodes = append(s.nodes, process{gen: 1})
	}
	s.nodes[i] = process{parent: i, gen: s.nodes[i].gen, size: 1, key: key, used: now}
	s.byKey[key] = i
	return processRef{i, s.nodes[i].gen}
}

// root finds the set of r, which must be known and live; see find.
func (s *processes) root(r processRef) uint32 {
	i := r.index
	for s.nodes[i].parent != i {
		s.nodes[i].parent = s.nodes[s.nodes[i].parent].parent
		i = s.nodes[i].parent
	}
	return i
}

// find returns the facts of the set of r, nil if r is nobody.
func (s *processes) find(r processRef) *process {
	if !r.known() || s.nodes[r.index].gen != r.gen {
		return nil
	}
	return &s.nodes[s.root(r)]
}

// join says that conn, the connection of that name, belongs to the process of other. It returns conn's
// node, which is a new one if the name has changed hands.
func (s *processes) join(conn, other processRef, now int64) processRef {
	if s.find(conn) == nil || s.find(other) == nil {
		return conn
	}
	a, b := s.root(conn), s.root(other)
	switch {
	case a == b:
		return conn
	case s.nodes[a].named && s.nodes[b].named:
		s.count.conflicts.Add(1) // a name is better evidence than a message
		return conn
	}
	if s.nodes[a].reply && s.nodes[b].reply && s.idle(a, now) {
		// Two processes, so the port is another's now. What was learned of the old one stays with its other nodes.
		s.count.conflicts.Add(1)
		conn = s.add(s.nodes[conn.index].key, now)
		if s.find(other) == nil {
			return conn
		}
		a, b = conn.index, s.root(other)
	}
	s.union(a, b)
	return conn
}

// idle reports whether the set at root did nothing lately.
func (s *processes) idle(root uint32, now int64) bool {
	f := &s.nodes[root].set
	return f.seen < now-recently && (f.work == nil || f.work.after == f.work)
}

// seen notes that the process of r publishes or receives something. It comes after join, which asks when
// it last did.
func (s *processes) seen(r processRef, now int64) {
	if p := s.find(r); p != nil {
		p.set.before, p.set.seen = p.set.seen, max(p.set.seen, now)
	}
}

// serves notes the topic of a message that the process of r got. The first is its name for good.
func (s *processes) serves(r processRef, topic string) {
	if p := s.find(r); p != nil && p.set.label == "" {
		p.set.label = topic
	}
}

// onlyWork returns the call that the process of r works on, if there is exactly one.
func (s *processes) onlyWork(r processRef) *activity {
	p := s.find(r)
	if p == nil {
		return nil
	}
	return p.set.work.only()
}

func (s *processes) union(a, b uint32) {
	if s.nodes[a].size < s.nodes[b].size {
		a, b = b, a
	}
	x, y := &s.nodes[a], &s.nodes[b]
	y.parent = a
	x.size += y.size
	x.reply, x.named = x.reply || y.reply, x.named || y.named
	if x.set.label == "" {
		x.set.label = y.set.label
	}
	if x.set.name == "" {
		x.set.name = y.set.name
	}
	x.set.seen = max(x.set.seen, y.set.seen)
	x.set.before = max(x.set.before, y.set.before)
	x.set.work = mergeRings(x.set.work, y.set.work)
	x.set.log = mergeLogs(x.set.log, y.set.log)
	y.set = processFacts{}
}

// relation is what is known about two nodes.
type relation uint8

const (
	possible relation = iota // nothing says that they are one process, nor that they are two
	same
	different
)

func (s *processes) relation(a, b processRef) relation {
	x, y := s.find(a), s.find(b)
	switch {
	case x == nil || y == nil:
		return possible
	case x == y:
		return same
	case x.reply && y.reply, x.named && y.named:
		return different
	}
	return possible
}

// label returns the name of the process of r, else the topic that it serves, "" if it was not seen to serve any.
func (s *processes) label(r processRef) string {
	p := s.find(r)
	switch {
	case p == nil:
		return ""
	case p.set.name != "":
		return p.set.name
	}
	return p.set.label
}

// name returns what the program of the process of r calls itself, "" if that is unknown.
func (s *processes) name(r processRef) string {
	if p := s.find(r); p != nil {
		return p.set.name
	}
	return ""
}

// shrink forgets the half of the nodes that were not seen for longest. A root stays while its set has members.
func (s *processes) shrink() {
	used := make([]int64, 0, len(s.nodes))
	newest := make([]int64, len(s.nodes)) // of a root: when any of its set was seen
	for i := range s.nodes {
		n := &s.nodes[i]
		n.parent = s.root(processRef{uint32(i), n.gen})
		newest[n.parent] = max(newest[n.parent], n.used)
		used = append(used, n.used)
	}
	slices.Sort(used)
	cut := used[len(used)/2]
	for i := range s.nodes {
		n := &s.nodes[i]
		root := n.parent == uint32(i)
		if root && newest[i] > cut || !root && n.used > cut {
			continue
		}
		if !root {
			s.nodes[n.parent].size--
		}
		if at, ok := s.byKey[n.key]; ok && at == uint32(i) {
			delete(s.byKey, n.key)
		}
		*n = process{parent: uint32(i), gen: n.gen + 1}
		s.free = append(s.free, uint32(i))
		s.count.forgotten.Add(1)
	}
}
