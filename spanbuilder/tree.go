package spanbuilder

import (
	"github.com/calltap/calltap/span"
)

// Some protocols tell the tree of their calls themselves: each message names the work that it came out of (Message.Parent), or
// the whole tree (Message.Root), or both. What they tell is kept here, beside what is open, since a task may be followed by
// another long after it ended.
//
//	Parent ──► works ──► the activity of that name; of several, the one that the sender can have been doing
//	Root ────► roots ──► the trace that the tree's first message turned out to belong to
//	           else      the trace of that id: a UUID as it is, anything else hashed
const (
	maxTreeWorks = 16384 // names remembered
	maxTreeRoots = 16384
	maxNamesakes = 4 // works of one name
)

// tree is what the protocols' own trees told lately.
type tree struct {
	works fifo[Ident, namesakes]
	roots fifo[span.TraceID, rootPlace]
}

// namesakes are the works of one name, the latest first. A protocol's name is unique, or nearly so.
type namesakes [maxNamesakes]*activity

// rootPlace is where a tree belongs.
type rootPlace struct {
	place  place
	parent span.ID
	hop    string // service of the span that parent is, if known
}

func (s *tree) init() {
	s.works.init(maxTreeWorks)
	s.roots.init(maxTreeRoots)
}

// begin remembers the work that a message names.
func (s *tree) begin(name Ident, a *activity) {
	if name == 0 {
		return
	}
	w := s.works.at(name)
	copy(w[1:], w[:maxNamesakes-1])
	w[0] = a
}

// parent returns the work of that name that sender most likely did, nil if none is known. sure is false if there is another that it
// may have done as well.
func (p *Pairer) namedWork(name Ident, sender processRef) (best *activity, sure bool) {
	w := p.tree.works.get(name)
	if name == 0 || w == nil {
		return nil, false
	}
	rank := 0
	for _, a := range w {
		if a == nil {
			break
		}
		r := 2 * p.likelihood(a, sender)
		if !a.ended {
			r++
		}
		switch {
		case best == nil || r > rank:
			best, rank, sure = a, r, true
		case r == rank:
			sure = false
			if a.likelier(best) {
				best = a
			}
		}
	}
	return best, sure
}

// cameOf reports whether a came out of the message of those ids, which was published again after it was forgotten: no message
// comes out of itself.
func (a *activity) cameOf(ids key) bool {
	for range maxActivities {
		if a == nil {
			return false
		}
		if a.request == ids.id(clientDomain) || a.request == ids.id(producerDomain) {
			return true
		}
		a = a.trace.workOf(a.under)
	}
	return true
}

// treeTrace is the trace id of a tree. Short names are used again and say nothing.
func treeTrace(root string) (span.TraceID, bool) {
	if !uniqueID(root) {
		return span.TraceID{}, false
	}
	if id, ok := parseUUID(root); ok {
		return id, true
	}
	var h hasher
	h.text(root)
	return h.sum().trace(), true
}

// locateByTree places a message by what its protocol tells of its tree. It returns false if that is nothing.
func (p *Pairer) locateByTree(t *Tracer, m *Message, ids key, sender processRef) (place, origin, bool) {
	if a, sure := p.namedWork(m.Parent, sender); a != nil && !a.cameOf(ids) {
		pl := placeOf(a.trace)
		if a.ignored {
			return pl, origin{}, true
		}
		if sure && p.processes.relation(sender, a.receiver) == possible {
			p.processes.join(sender, a.receiver, m.Time)
		}
		return pl, origin{parent: a.span, service: a.role.service, exact: true, guessed: !sure}, true
	}
	id, ok := treeTrace(m.Root)
	if !ok {
		return place{}, origin{}, false
	}
	if r := p.tree.roots.get(id); r != nil {
		return r.place, origin{parent: r.parent, service: r.hop, exact: m.Parent != 0}, true
	}
	if e, ok := t.Links.Get(id); ok {
		pl := p.decide(t, m, id, true)
		pl.as, pl.sampled = e.TraceID, e.Sampled
		return pl, origin{parent: e.ID, service: e.Service}, true
	}
	if m.Parent == 0 {
		if pl, o, ok := p.locateByCause(sender); ok {
			return pl, o, true
		}
	}
	return p.decide(t, m, id, true), origin{exact: m.Parent != 0}, true
}

// rooted remembers where the tree of a message belongs, by whatever means it was found. The first message decides.
func (p *Pairer) rooted(m *Message, pl place, o origin) {
	if m.Root == "" {
		return
	}
	id, ok := treeTrace(m.Root)
	if !ok || p.tree.roots.get(id) != nil || pl.trace == id {
		return
	}
	*p.tree.roots.at(id) = rootPlace{place: pl, parent: o.parent, hop: o.service}
}

// fifo is a map that holds the last max keys that were put in.
type fifo[K comparable, V any] struct {
	byKey map[K]*V
	order []K // a ring once it is full
	next  int
	max   int
}

func (f *fifo[K, V]) init(limit int) { f.byKey, f.max = make(map[K]*V), limit }

// get returns the value of a key, nil if there is none.
func (f *fifo[K, V]) get(k K) *V { return f.byKey[k] }

// at returns the value of a key, a new one if need be.
func (f *fifo[K, V]) at(k K) *V {
	if v := f.byKey[k]; v != nil {
		return v
	}
	if len(f.order) < f.max {
		f.order = append(f.order, k)
	} else {
		delete(f.byKey, f.order[f.next])
		f.order[f.next] = k
		f.next = (f.next + 1) % f.max
	}
	v := new(V)
	f.byKey[k] = v
	return v
}
