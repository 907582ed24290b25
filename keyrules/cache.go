package keyrules

import (
	"hash/maphash"
	"slices"
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
	simple   bool  // path, method and service are all of it: see known
	overflow bool  // the key is the overflow key
	facts    facts // only what the rules of the Set can tell apart
	values   []string
	seen     *sighting // of a call that no rule took
	result   Result
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

// hash mixes the facts. The seed is secret, so nobody can aim at one set from outside: of what a client chooses every byte counts.
func (c *cache) hash(f *facts, values []string) uint64 {
	var h uint64
	if f.kind == RPC {
		h = c.mix(c.mix(h, f.service), f.err)
		h = c.mix(c.mix(c.mix(h, f.rpcMethod), f.topic), f.exchange)
		h = c.mix(c.mix(c.mix(c.mix(h, f.routingKey), f.queue), f.namespace), f.form)
	} else {
		h = c.hashRequest(f.service, f.method, f.path)
		if f.extra() {
			h = c.mix(c.mix(c.mix(h^uint64(f.status), f.bodyKey), f.host), f.err)
		}
	}
	for _, s := range values {
		h = c.mix(h, s)
	}
	return h ^ h>>29
}

// hashRequest is hash of an HTTP call of which no rule reads more: the service is the operator's word, and the method one of a list.
func (c *cache) hashRequest(service, method, path string) uint64 {
	return c.mix(glance(service)<<16^glance(method), path)
}

func (c *cache) mix(h uint64, s string) uint64 {
	h *= 0x9e3779b97f4a7c15
	if s == "" {
		return h
	}
	return h ^ maphash.String(c.seed, s)
}

// glance tells apart what few words there are, at next to no cost.
func glance(s string) uint64 {
	if s == "" {
		return 0
	}
	return uint64(len(s))<<8 ^ uint64(s[0])<<4 ^ uint64(s[len(s)-1])
}

func (c *cache) get(h uint64, f *facts, values []string) *entry {
	set := &c.sets[h%cacheSets]
	for i := range set {
		if e := set[i].Load(); e != nil && e.facts.same(f) && slices.Equal(e.values, values) {
			return e
		}
	}
	return nil
}

// known is get for an HTTP call of which no rule reads more.
func (c *cache) known(service, method, path string) *entry {
	h := c.hashRequest(service, method, path)
	set := &c.sets[(h^h>>29)%cacheSets]
	for i := range set {
		if e := set[i].Load(); e != nil && e.simple && e.facts.path == path && e.facts.method == method && e.facts.service == service {
			return e
		}
	}
	return nil
}

// put remembers a result if the call was seen before.
func (c *cache) put(h uint64, f *facts, values []string, a *answered) {
	mark := &c.marks[h%uint64(len(c.marks))]
	if tag := uint32(h >> 32); mark.Swap(tag) != tag {
		return
	}
	facts, kept, ok := keep(f, values)
	if !ok {
		return
	}
	e := &entry{facts: facts, values: kept, seen: a.seen, result: a.result, overflow: a.overflow}
	e.simple = f.kind == HTTP && !f.extra() && len(values) == 0
	if e.seen != nil {
		e.seen.example.CompareAndSwap(nil, &e.facts.path)
	}
	set := &c.sets[h%cacheSets]
	if !set[0].CompareAndSwap(nil, e) {
		set[h>>63].Store(e)
	}
}

// keep copies the facts out of the caller's memory, all texts into one string.
func keep(f *facts, values []string) (facts, []string, bool) {
	kept := *f
	all := slices.Clone(values)
	texts := [...]*string{&kept.path, &kept.method, &kept.service, &kept.rpcMethod, &kept.topic, &kept.bodyKey,
		&kept.host, &kept.exchange, &kept.routingKey, &kept.queue, &kept.namespace, &kept.form, &kept.err}
	size := 0
	for _, s := range texts {
		size += len(*s)
	}
	for _, s := range all {
		size += len(s)
	}
	if size > maxCached {
		return facts{}, nil, false
	}
	var text strings.Builder
	text.Grow(size)
	move := func(s *string) {
		from := text.Len()
		text.WriteString(*s)
		*s = text.String()[from:]
	}
	for _, s := range texts {
		move(s)
	}
	for i := range all {
		move(&all[i])
	}
	return kept, all, true
}
