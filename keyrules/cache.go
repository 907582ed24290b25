package keyrules

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// Sizes of the cache. Full of the longest calls it is 2 * cacheSets * (maxCached + about 500 bytes),
// 4 MiB; empty 64 KiB.
const (
	cacheSets = 1 << 11
	maxCached = 512 // bytes of a call's text; longer calls are worked out anew each time
)

// cache remembers the results of calls that come again. Entries are immutable and reached by one
// atomic pointer, so readers never wait and never write to shared memory.
//
//	hash ──► set ──► [entry|entry]      a hit: compare the facts, return the result
//	     └─► mark                       a miss: seen once? then remember it, else leave a mark
//
// Only the second sight of a call within some thousand others brings it in. So a flood of paths that
// are never seen again (ids, scanners) allocates nothing and drives nothing out.
type cache struct {
	seed  maphash.Seed
	marks [cacheSets * 2]atomic.Uint32
	sets  [cacheSets][2]atomic.Pointer[entry]
}

type entry struct {
	facts    facts // only what the rules of the Set can tell apart
	result   Result
	overflow bool // the key is the overflow key
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

// hash mixes the facts. The seed is secret, so nobody can aim at one set from outside.
func (c *cache) hash(f *facts) uint64 {
	h := uint64(f.status)<<8 | uint64(f.kind)
	for _, s := range [...]string{f.path, f.method, f.service, f.rpcMethod, f.topic, f.bodyKey, f.host,
		f.exchange, f.routingKey, f.queue, f.namespace, f.form, f.err} {
		if h *= 0x9e3779b97f4a7c15; s != "" {
			h ^= maphash.String(c.seed, s)
		}
	}
	return h ^ h>>29
}

func (c *cache) get(h uint64, f *facts) *entry {
	set := &c.sets[h%cacheSets]
	for i := range set {
		if e := set[i].Load(); e != nil && e.facts == *f {
			return e
		}
	}
	return nil
}

// put remembers a result if the call was seen before.
func (c *cache) put(h uint64, f *facts, r Result, overflow bool) {
	mark := &c.marks[h%uint64(len(c.marks))]
	if tag := uint32(h >> 32); mark.Swap(tag) != tag {
		return
	}
	facts, ok := keep(f)
	if !ok {
		return
	}
	e := &entry{facts: facts, result: r, overflow: overflow}
	set := &c.sets[h%cacheSets]
	if !set[0].CompareAndSwap(nil, e) {
		set[h>>63].Store(e)
	}
}

// keep copies the facts out of the caller's memory, all texts into one string.
func keep(f *facts) (facts, bool) {
	kept := *f
	texts := [...]*string{&kept.path, &kept.method, &kept.service, &kept.rpcMethod, &kept.topic, &kept.bodyKey,
		&kept.host, &kept.exchange, &kept.routingKey, &kept.queue, &kept.namespace, &kept.form, &kept.err}
	size := 0
	for _, s := range texts {
		size += len(*s)
	}
	if size > maxCached {
		return facts{}, false
	}
	var all strings.Builder
	all.Grow(size)
	for _, s := range texts {
		all.WriteString(*s)
	}
	from := 0
	for _, s := range texts {
		n := len(*s)
		*s = all.String()[from : from+n]
		from += n
	}
	return kept, true
}
