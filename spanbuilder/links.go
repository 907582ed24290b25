package spanbuilder

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/calltap/calltap/span"
)

// Entry is what Links keeps of an HTTP server span.
type Entry struct {
	// TraceID is the trace that the span belongs to. It differs from the id that the entry is found by
	// if the client sent both trace headers and a request id of its own. Put takes zero as "the same".
	TraceID span.TraceID
	ID      span.ID
	Sampled bool
	Service string
}

const (
	linkWays      = 8 // entries that a trace id may sit in
	linkShards    = 64
	defaultLinks  = 65536
	maxLinkLabels = 1 << 10
)

// Links remembers the HTTP server spans of recent traces, so that an RPC of the same trace can hang
// below the right one. Fixed size, never blocks for long, overwrites the oldest.
//
//	trace id ─hash─► set of 8 slots ─► the slot of this trace, else the set's oldest
//
// A slot holds no pointer: the table is 4 MiB that the collector need not look at, and that the system
// does not hand out before it is used. Services are numbered instead; there are as many as sites.
type Links struct {
	seed   [2]uint64 // clients choose trace ids; without it they could aim at one set
	shards [linkShards]linkShard
	mask   uint64
	labels labels
	filled atomic.Bool // something was put in
}

type linkShard struct {
	mu   sync.Mutex
	sets []linkSet
	_    [32]byte // keeps neighbours' locks off one cache line
}

// linkSet is searched by its tags, which are one cache line.
type linkSet struct {
	tags  [linkWays]uint64 // part of the hash; zero: free
	slots [linkWays]linkSlot
	next  uint64 // Puts so far: the slot to overwrite, in turn
}

type linkSlot struct {
	found   span.TraceID
	trace   span.TraceID
	id      span.ID
	service uint16
	sampled bool
}

// NewLinks makes a table of about n entries; n <= 0 is the default of 65,536.
func NewLinks(n int) *Links {
	if n <= 0 {
		n = defaultLinks
	}
	sets := 1
	for sets*linkWays*linkShards < n && sets < 1<<20 {
		sets <<= 1
	}
	l := &Links{seed: [2]uint64{rand.Uint64(), rand.Uint64()}, mask: uint64(sets - 1)}
	for i := range l.shards {
		l.shards[i].sets = make([]linkSet, sets)
	}
	return l
}

// Put records the span by which a trace entered. The first of a trace wins until it is overwritten.
func (l *Links) Put(t span.TraceID, e Entry) {
	if l == nil || t.IsZero() || e.ID == 0 {
		return
	}
	if e.TraceID.IsZero() {
		e.TraceID = t
	}
	if !l.filled.Load() {
		l.filled.Store(true)
	}
	service := l.labels.number(e.Service)
	shard, at, tag := l.place(t)
	shard.mu.Lock()
	set := &shard.sets[at]
	if set.slot(t, tag) == nil {
		i := set.next % linkWays
		set.next++
		set.tags[i] = tag
		set.slots[i] = linkSlot{t, e.TraceID, e.ID, service, e.Sampled}
	}
	shard.mu.Unlock()
}

// Keep says that a trace is recorded after all.
func (l *Links) Keep(t span.TraceID) {
	if l == nil || t.IsZero() {
		return
	}
	shard, at, tag := l.place(t)
	shard.mu.Lock()
	if s := shard.sets[at].slot(t, tag); s != nil {
		s.sampled = true
	}
	shard.mu.Unlock()
}

// used reports whether any HTTP request was seen by this process.
func (l *Links) used() bool { return l != nil && l.filled.Load() }

// Get returns the entry span of a trace.
func (l *Links) Get(t span.TraceID) (Entry, bool) {
	if l == nil || t.IsZero() {
		return Entry{}, false
	}
	shard, at, tag := l.place(t)
	shard.mu.Lock()
	found := shard.sets[at].slot(t, tag)
	if found == nil {
		shard.mu.Unlock()
		return Entry{}, false
	}
	s := *found
	shard.mu.Unlock()
	return Entry{TraceID: s.trace, ID: s.id, Sampled: s.sampled, Service: l.labels.text(s.service)}, true
}

func (s *linkSet) slot(t span.TraceID, tag uint64) *linkSlot {
	for i, have := range s.tags {
		if have == tag && s.slots[i].found == t {
			return &s.slots[i]
		}
	}
	return nil
}

func (l *Links) place(t span.TraceID) (*linkShard, uint64, uint64) {
	hi, lo := bits.Mul64(t.High^l.seed[0], t.Low^l.seed[1])
	h := mix(hi, lo)
	return &l.shards[h%linkShards], h / linkShards & l.mask, h | 1
}
