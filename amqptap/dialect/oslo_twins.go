package dialect

import (
	"hash/maphash"
	"unsafe"

	"github.com/calltap/calltap/spanbuilder"
)

// osloTwins remembers what recent publications said, since the firehose shows each message again when it is delivered. To
// know a body again costs a twentieth of reading it. A body is known by its length and a hash with a seed of
// this process, so that nobody can make two that are taken for one.
type osloTwins struct {
	seed  maphash.Seed
	slots []osloTwin // by hash; the newer takes the place of the older
}

// osloTwin is what one body said. Where the same bytes come again, its strings stand at the same places.
type osloTwin struct {
	hash  uint64
	size  int32
	body  osloBody // without strings
	texts [osloStrings + 3]place
	args  []byte
}

// place is a part of a body; a size of zero is no text.
type place struct{ at, size int32 }

const (
	twinSlots = 256
	// maxTwinArgs bounds what a slot keeps of arguments that rules ask for.
	maxTwinArgs = 256
)

// keep remembers the current body if that may come again as it is.
func (t *osloTwins) keep(o *oslo, r *Record) {
	if r.Point != spanbuilder.Published || r.Mirror || len(o.args.found) > maxTwinArgs {
		return
	}
	if t.slots == nil {
		t.seed, t.slots = maphash.MakeSeed(), make([]osloTwin, twinSlots)
	}
	h := maphash.Bytes(t.seed, r.Body)
	slot := &t.slots[h%twinSlots]
	slot.size = 0 // until it is complete
	for i, text := range o.osloBody.strings() {
		var ok bool
		if slot.texts[i], ok = placeOf(*text, r.Body); !ok {
			return // it was unescaped
		}
	}
	slot.hash, slot.size = h, int32(len(r.Body))
	slot.body = o.osloBody
	for _, text := range slot.body.strings() {
		*text = ""
	}
	slot.args = append(slot.args[:0], o.args.found...)
}

// recall reports whether the record is a delivery of a body that was kept, and if so sets what it says.
func (t *osloTwins) recall(o *oslo, r *Record) bool {
	if r.Point != spanbuilder.Delivered || t.slots == nil || len(r.Body) == 0 {
		return false
	}
	h := maphash.Bytes(t.seed, r.Body)
	slot := &t.slots[h%twinSlots]
	if slot.hash != h || int(slot.size) != len(r.Body) {
		return false
	}
	o.osloBody = slot.body
	for i, text := range o.osloBody.strings() {
		if p := slot.texts[i]; p.size > 0 {
			*text = unsafe.String(&r.Body[p.at], p.size)
		}
	}
	o.args.found = append(o.args.found[:0], slot.args...)
	return true
}

// forget is for when another reading of the same bodies is wanted.
func (t *osloTwins) forget() { t.slots = nil }

// strings are all that point somewhere.
func (b *osloBody) strings() (all [osloStrings + 3]*string) {
	for i := range b.text {
		all[i] = &b.text[i]
	}
	all[osloStrings+1], all[osloStrings+2] = &b.failure, &b.traceBase
	return all
}

// placeOf finds where in body text points to; false if it points elsewhere.
func placeOf(text string, body []byte) (place, bool) {
	if text == "" {
		return place{}, true
	}
	at := uintptr(unsafe.Pointer(unsafe.StringData(text))) - uintptr(unsafe.Pointer(unsafe.SliceData(body)))
	if at >= uintptr(len(body)) || at+uintptr(len(text)) > uintptr(len(body)) {
		return place{}, false
	}
	return place{int32(at), int32(len(text))}, true
}
