package trigger

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/calltap/calltap/span"
)

// Header is the name of the header of calltap's own form:
//
//	X-Calltap-Trigger: v1;exp=1795212000;id=0123456789abcdef0123456789abcdef;mac=…64 hex digits…
//
// exp is when it ends to be valid, in Unix seconds; id is the trace id, which nobody may use twice; mac is the hex of
// HMAC-SHA-256 over all that stands before ";mac=".
const Header = "X-Calltap-Trigger"

const (
	ownVersion = "v1;exp="
	ownID      = ";id="
	ownMAC     = ";mac="
	idLen      = 32
	macLen     = 64
	maxExp     = 12 // digits: the year 33658
	minOwn     = len(ownVersion) + 1 + len(ownID) + idLen + len(ownMAC) + macLen
	maxOwn     = minOwn + maxExp - 1
)

// Make signs a trigger that is valid until expiry, with an id of its own. The error is of the key, or of an expiry that
// no Checker would take.
func Make(key []byte, now, expiry time.Time) (value string, id span.TraceID, err error) {
	if len(key) < MinKey {
		return "", id, fmt.Errorf("the key has %d bytes, want at least %d", len(key), MinKey)
	}
	if life := expiry.Sub(now); life < time.Second || life > MaxLife {
		return "", id, fmt.Errorf("a trigger may be valid for 1s to %s, not %s", MaxLife, life)
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", id, fmt.Errorf("making an id: %w", err)
	}
	// As a UUID of version 8, which tells a calltap further in that one further out has the trace's root.
	random[6], random[8] = random[6]&0x0f|0x80, random[8]&0x3f|0x80
	id = span.TraceID{High: binary.BigEndian.Uint64(random[:8]), Low: binary.BigEndian.Uint64(random[8:])}
	signed := ownVersion + strconv.FormatInt(expiry.Unix(), 10) + ownID + id.String()
	s := newSHA256(key)
	return signed + ownMAC + hex.EncodeToString(s.sum(signed)), id, nil
}

func (c *Checker) judgeOwn(values []string, now time.Time) (Trace, Verdict) {
	signed, mac, exp, id, ok := cutOwn(values)
	switch {
	case !ok:
		return Trace{}, Malformed
	case !anyFits(c.own, signed, mac):
		return Trace{}, Forged
	case exp <= now.Unix() || exp > now.Add(MaxLife).Unix()+1:
		return Trace{}, Expired
	}
	switch c.guard.seen.take(id, exp, now, c.rate) {
	case replayed:
		return Trace{}, Replayed
	case refused:
		return Trace{}, Limited
	}
	return Trace{ID: id}, Valid
}

// cutOwn takes a header apart without believing any of it.
func cutOwn(values []string) (signed string, mac []byte, exp int64, id span.TraceID, ok bool) {
	if len(values) != 1 || len(values[0]) < minOwn || len(values[0]) > maxOwn {
		return
	}
	v := values[0]
	at := len(v) - len(ownMAC) - macLen
	signed = v[:at]
	rest, good := strings.CutPrefix(signed, ownVersion)
	if !good || v[at:at+len(ownMAC)] != ownMAC {
		return
	}
	digits, word, good := strings.Cut(rest, ownID)
	if !good || len(word) != idLen || strings.Trim(digits, "0123456789") != "" {
		return
	}
	exp, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return
	}
	if id, good = parseID(word); !good {
		return
	}
	mac, err = hex.DecodeString(v[at+len(ownMAC):])
	return signed, mac, exp, id, err == nil
}

// parseID reads 32 lower-case hex digits that are not all zero.
func parseID(s string) (id span.TraceID, ok bool) {
	var b [16]byte
	if strings.Trim(s, "0123456789abcdef") != "" {
		return id, false
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return id, false
	}
	id = span.TraceID{High: binary.BigEndian.Uint64(b[:8]), Low: binary.BigEndian.Uint64(b[8:])}
	return id, !id.IsZero()
}
