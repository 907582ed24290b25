package spanbuilder

// callTable holds the open calls: by key, by lane and age, and by deadline. It never holds more than max.
type callTable struct {
	slab      slab[call]
	sequels   pool[sequel]
	index     index
	lanes     lanes
	deadlines []uint32 // a heap: the earliest first
	max       int
	count     *counters
}

// none is the number of no call.
const none = ^uint32(0)

// maxAlike is how many calls without an id may be open towards one reply address: their messages are told apart by order
// alone, and the order of so many is no guess any more.
const maxAlike = 64

func (s *callTable) init(limit int, c *counters) {
	s.max, s.count = limit, c
	s.lanes.init()
}

func (s *callTable) keyOf(number uint32) key { return s.slab.at(number).key }

func (s *callTable) open() int { return s.lanes.n }

func (s *callTable) full() bool { return s.lanes.n >= s.max }

// get returns the call of a key; of several without an id, the first.
func (s *callTable) get(k key) *call {
	number, ok := lookup(&s.index, s, k)
	if !ok {
		return nil
	}
	return s.slab.at(number)
}

// next returns the call without an id after c.
func (s *callTable) next(c *call) *call {
	if c.after == nil {
		return nil
	}
	return c.after.alike
}

// first returns the first of those from c on that was not seen at a point, last the last that was.
func (s *callTable) first(c *call, point int) *call {
	for c != nil && c.seen(point) {
		c = s.next(c)
	}
	return c
}

func (s *callTable) last(c *call, point int) (found *call) {
	for ; c != nil; c = s.next(c) {
		if c.seen(point) {
			found = c
		}
	}
	return found
}

// alike counts those from c on.
func (s *callTable) alike(c *call) (n int) {
	for ; c != nil; c = s.next(c) {
		n++
	}
	return n
}

// victim returns the call to give up for one more. There must be one.
func (s *callTable) victim() *call { return s.slab.at(s.lanes.fullest().oldest) }

func (s *callTable) add(k key, lane uint16) *call {
	number, c := s.slab.get()
	*c = call{key: k, number: number, lane: lane, place: -1}
	s.lanes.push(s, c)
	if last := s.get(k); last != nil {
		for s.next(last) != nil {
			last = s.next(last)
		}
		s.sequel(last).alike = c
	} else {
		insert(&s.index, s, k, number)
	}
	s.count.open.Store(int64(s.lanes.n))
	return c
}

func (s *callTable) remove(c *call) {
	switch first := s.get(c.key); {
	case first != c:
		for s.next(first) != c {
			first = s.next(first)
		}
		first.after.alike = s.next(c)
	case s.next(c) != nil:
		insert(&s.index, s, c.key, s.next(c).number)
	default:
		remove(&s.index, s, c.key)
	}
	s.lanes.remove(s, c)
	s.schedule(c, 0)
	if c.after != nil {
		s.sequels.put(c.after)
	}
	number := c.number
	*c = call{}
	s.slab.put(number)
	s.count.open.Store(int64(s.lanes.n))
}

// sequel returns what follows the request of c, to be filled in.
func (s *callTable) sequel(c *call) *sequel {
	if c.after == nil {
		c.after = s.sequels.get()
	}
	return c.after
}

// due returns the call with the earliest deadline, nil if that is after now.
func (s *callTable) due(now int64) *call {
	c := s.soonest()
	if c == nil || c.deadline > now {
		return nil
	}
	return c
}

// soonest returns the call with the earliest deadline, nil if there is none.
func (s *callTable) soonest() *call {
	if len(s.deadlines) == 0 {
		return nil
	}
	return s.slab.at(s.deadlines[0])
}

// schedule sets when due returns c; zero is never.
func (s *callTable) schedule(c *call, deadline int64) {
	c.deadline = deadline
	switch {
	case deadline == 0 && c.place < 0:
	case deadline == 0:
		i, last := int(c.place), len(s.deadlines)-1
		s.swap(i, last)
		s.deadlines = s.deadlines[:last]
		c.place = -1
		if i < last {
			s.fix(i)
		}
	case c.place < 0:
		c.place = int32(len(s.deadlines))
		s.deadlines = append(s.deadlines, c.number)
		s.fix(int(c.place))
	default:
		s.fix(int(c.place))
	}
}

func (s *callTable) swap(i, j int) {
	h := s.deadlines
	h[i], h[j] = h[j], h[i]
	s.slab.at(h[i]).place, s.slab.at(h[j]).place = int32(i), int32(j)
}

func (s *callTable) before(i, j int) bool {
	return s.slab.at(s.deadlines[i]).deadline < s.slab.at(s.deadlines[j]).deadline
}

// fix moves the call at i to where the heap wants it. Calls of one timeout come in order, so the
// usual way is not to move at all.
func (s *callTable) fix(i int) {
	for i > 0 && s.before(i, (i-1)/2) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.deadlines); child++ {
			if s.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}
