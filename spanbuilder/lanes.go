package spanbuilder

import "hash/maphash"

// When the table of open calls is full, one is given up for one more. To be fair, it is the oldest of whoever holds most: first
// the virtual host that does, then in it the reply address, which is to say the caller.
//
//	virtual host ─hash─► 1 of 16 ─┐
//	reply address ─hash─► 1 of 256 ┴─► lane: its open calls by age
//
// So a client that sends calls which nobody answers loses its own, not its neighbours'; unless it names a new reply address
// for each, or shares a lane by chance, when the oldest of them all go, as they do where everybody holds as many.
const (
	laneHosts   = 16
	laneCallers = 256
)

type lanes struct {
	n       int // calls in all
	perHost [laneHosts]int32
	counts  [laneHosts * laneCallers]int32
	ends    [laneHosts * laneCallers]laneEnds
}

// laneEnds are the first and the last call of a lane.
type laneEnds struct{ oldest, newest uint32 }

func (l *lanes) init() {
	for i := range l.ends {
		l.ends[i] = laneEnds{none, none}
	}
}

// laneOf is the lane of a reply address. The hash has a seed, or one could choose to share a neighbour's.
func laneOf(vhost, replyTo string) uint16 {
	return uint16(maphash.String(seed, vhost)%laneHosts*laneCallers + maphash.String(seed, replyTo)%laneCallers)
}

func (l *lanes) push(s *callTable, c *call) {
	at := &l.ends[c.lane]
	c.older, c.newer = at.newest, none
	if at.newest != none {
		s.slab.at(at.newest).newer = c.number
	} else {
		at.oldest = c.number
	}
	at.newest = c.number
	l.add(c.lane, 1)
}

func (l *lanes) remove(s *callTable, c *call) {
	at := &l.ends[c.lane]
	if c.older != none {
		s.slab.at(c.older).newer = c.newer
	} else {
		at.oldest = c.newer
	}
	if c.newer != none {
		s.slab.at(c.newer).older = c.older
	} else {
		at.newest = c.older
	}
	l.add(c.lane, -1)
}

func (l *lanes) add(lane uint16, n int32) {
	l.n += int(n)
	l.perHost[lane/laneCallers] += n
	l.counts[lane] += n
}

// fullest returns the lane out of which a call is to go for one more.
func (l *lanes) fullest() *laneEnds {
	first := most(l.perHost[:]) * laneCallers
	return &l.ends[first+most(l.counts[first:first+laneCallers])]
}

func most(counts []int32) (at int) {
	for i, n := range counts {
		if n > counts[at] {
			at = i
		}
	}
	return at
}
