package dialect

import "hash/maphash"

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
