package spanbuilder

import (
	"math/bits"

	"github.com/calltap/calltap/span"
)

// key is the identity of a call or a one-way message: a 128-bit hash of (vhost, reply address, id). Span ids are
// derived from it alone, so that a replay, or another tap that saw the other half, computes the same. It has no
// seed for that reason; who could make two collide is who publishes both, and spoils only his own spans.
type key struct{ high, low uint64 }

// messageKey is the key of m. salt sets apart the messages whose own id is not unique; see uniqueID.
func messageKey(m *Message) key {
	var h hasher
	h.text(m.VHost)
	if m.Form == FormCall || m.Form == FormReply || m.Form == FormHeartbeat {
		h.text(m.ReplyTo)
	} else {
		h.text("")
	}
	h.text(m.ID)
	return h.sum()
}

// uniqueID reports whether an id names its message for all time. Counters ("1", "2", of each new Spring
// template) and constants do not; oslo's, Celery's and Nameko's UUIDs do.
func uniqueID(id string) bool { return len(id) >= 16 }

// salted is the key of one use of an id that is used again.
func (k key) salted(time int64) key {
	return key{mix(k.high, uint64(time)), mix(k.low, uint64(time)^saltDomain)}
}

// The domains keep the ids that come from one key apart.
const (
	clientDomain uint64 = 0xc1 + iota
	serverDomain
	producerDomain
	consumerDomain
	traceHighDomain
	traceLowDomain
	saltDomain
	processDomain
)

func (k key) id(domain uint64) span.ID {
	v := mix(k.high^domain*0x9e3779b97f4a7c15, k.low)
	if v == 0 {
		v = domain
	}
	return span.ID(v)
}

// trace is the id of a trace that begins with this message and that nobody else names.
func (k key) trace() span.TraceID {
	return nonZero(span.TraceID{High: uint64(k.id(traceHighDomain)), Low: uint64(k.id(traceLowDomain))})
}

// consumer is the span id of the delivery of k to a queue.
func (k key) consumer(queue string) key {
	h := hasher{a: k.high, b: k.low}
	h.text(queue)
	return h.sum()
}

// hasher is two lanes of multiply-and-fold over 8-byte words. Every text ends with its length, so that
// ("ab", "c") and ("a", "bc") differ.
type hasher struct{ a, b uint64 }

func (h *hasher) text(s string) {
	n := uint64(len(s))
	for len(s) >= 8 {
		h.word(le64(s))
		s = s[8:]
	}
	var w uint64
	for i := len(s) - 1; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	h.word(w)
	h.word(n | 1<<63)
}

func (h *hasher) word(w uint64) {
	hi, lo := bits.Mul64(h.a^w^0xa0761d6478bd642f, 0xe7037ed1a0b428db^w)
	h.a = hi ^ lo ^ bits.RotateLeft64(h.a, 23)
	hi, lo = bits.Mul64(h.b^w^0x8ebc6af09c88c6e3, h.a|1)
	h.b = hi ^ lo ^ bits.RotateLeft64(h.b, 41)
}

func (h *hasher) sum() key { return key{mix(h.a, h.b), mix(h.b, h.a^saltDomain)} }

func le64(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// recentKeys remembers the keys of calls that ended, so that a message which a source hands over twice does not begin a
// second one. Fixed size: a set of four fingerprints, oldest overwritten.
type recentKeys struct{ sets [recentSets][4]uint64 }

const recentSets = 4096

// add remembers k, and whether it was answered.
func (r *recentKeys) add(k key, answered bool) {
	set := &r.sets[k.low%recentSets]
	copy(set[1:], set[:3])
	set[0] = k.high &^ 1
	if answered {
		set[0] |= 1
	}
}

func (r *recentKeys) has(k key) bool { return r.find(k) != nil }

// answer notes an answer to k. It reports whether that was the first, false too if k is not known.
func (r *recentKeys) answer(k key) bool {
	have := r.find(k)
	if have == nil || *have&1 != 0 {
		return false
	}
	*have |= 1
	return true
}

// find returns the fingerprint that was kept of k, nil if there is none.
func (r *recentKeys) find(k key) *uint64 {
	set := &r.sets[k.low%recentSets]
	for i := range set {
		if set[i]&^1 == k.high&^1 {
			return &set[i]
		}
	}
	return nil
}
