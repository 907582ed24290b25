package dialect

import (
	"hash/maphash"
	"strings"
)

// directReplyTo begins the addresses of RabbitMQ's direct reply-to. The broker has completed the
// client's bare amq.rabbitmq.reply-to before a queue of ours sees the request, so they are unique.
const directReplyTo = "amq.rabbitmq.reply-to."

// isReply tells a reply from a one-way message. To whom a request was seen to want its reply sent,
// there a reply goes, through whatever exchange. Else, since the tap may have come between the
// two, it is one if it goes to a queue directly, answers something, and the queue has the
// name of a reply queue; a work queue with a correlation id for the logs has not.
func (s *shared) isReply(r *Record) bool {
	if s.addresses.has(r.VHost, r.RoutingKey) {
		return true
	}
	return r.Exchange == "" && (strings.HasPrefix(r.RoutingKey, directReplyTo) ||
		r.Properties.CorrelationID != "" && namesReplyQueue(r.RoutingKey))
}

// namesReplyQueue reports whether a queue's name looks like a reply queue's: made by the broker, told
// by its name, or unique.
func namesReplyQueue(q string) bool {
	if strings.HasPrefix(q, "amq.gen-") || hasUniquePart(q) {
		return true
	}
	for _, word := range [...]string{"reply", "Reply", "replies", "Replies", "callback", "response"} {
		if strings.Contains(q, word) {
			return true
		}
	}
	return false
}

// hasUniquePart looks for 32 hex digits, dashes between them aside: a UUID in either spelling.
func hasUniquePart(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			if n++; n == 32 {
				return true
			}
		case c != '-':
			n = 0
		}
	}
	return false
}

// addresses remembers the reply addresses of recent calls: 4096 hashes, each
// overwriting what stood in its place, so its size is fixed whatever clients invent.
type addresses struct {
	seed  maphash.Seed
	slots []uint64
}

const addressSlots = 4096

func (a *addresses) add(vhost, address string) {
	if a.slots == nil {
		a.seed, a.slots = maphash.MakeSeed(), make([]uint64, addressSlots)
	}
	h := a.hash(vhost, address)
	a.slots[h%addressSlots] = h
}

func (a *addresses) has(vhost, address string) bool {
	if a.slots == nil || address == "" {
		return false
	}
	h := a.hash(vhost, address)
	return a.slots[h%addressSlots] == h
}

func (a *addresses) hash(vhost, address string) uint64 {
	return maphash.String(a.seed, address) ^ 31*maphash.String(a.seed, vhost)
}
