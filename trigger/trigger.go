package trigger

import (
	"sync/atomic"
	"time"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// Verdict is what became of a request's trigger.
type Verdict uint8

// The verdicts. All but Valid leave the request as if it had no trigger.
const (
	None      Verdict = iota // the request carries none, or there is no key for its form
	Valid                    // it is to be traced
	Malformed                // of a wrong length or form
	Forged                   // made with none of the keys
	Expired                  // or valid for longer than MaxLife, which is the same to the guard against replay
	Replayed                 // this process took it before
	Limited                  // more than the rate allows, or than the guard can remember
	NumVerdicts
)

var verdictWords = [NumVerdicts]string{"none", "valid", "malformed", "forged", "expired", "replayed", "limited"}

// String is the verdict's word on the status page.
func (v Verdict) String() string {
	if v >= NumVerdicts {
		return "unknown"
	}
	return verdictWords[v]
}

// MaxLife is the longest that a trigger of calltap's own form may be valid.
const MaxLife = time.Hour

// The rate of forced traces if none is given.
const (
	defaultPerSecond = 10
	defaultBurst     = 20
)

// Trace is what a valid trigger asks for.
type Trace struct {
	ID     span.TraceID
	Parent span.ID // zero: the request is the root of its trace
}

// Keys are the secrets that make a trigger valid. Several of a kind let keys be changed one after the other.
type Keys struct {
	OSProfiler [][]byte // any length, as OSProfiler has it
	Own        [][]byte // at least MinKey bytes each
}

// MinKey is the least length of a key of calltap's own form, in bytes.
const MinKey = 16

// Counts are how many triggers had which verdict. Safe for concurrent use.
type Counts [NumVerdicts]atomic.Int64

// Guard remembers the triggers that were taken, and counts all. It outlives a Checker, so that loading another configuration
// does not make old triggers good again.
type Guard struct {
	seen   seen
	Counts Counts
}

// Checker holds the keys and the rate of one configuration. It is safe for concurrent use.
type Checker struct {
	osprofiler []signer
	own        []signer
	rate       *sampling.Bucket
	guard      *Guard
}

// NewChecker makes a Checker. rate bounds the forced traces; nil is the default rate.
func NewChecker(keys Keys, rate *sampling.Bucket, guard *Guard) *Checker {
	if rate == nil {
		rate = sampling.NewBucket(defaultPerSecond, defaultBurst)
	}
	c := &Checker{rate: rate, guard: guard}
	for _, k := range keys.OSProfiler {
		c.osprofiler = append(c.osprofiler, newSHA1(k))
	}
	for _, k := range keys.Own {
		c.own = append(c.own, newSHA256(k))
	}
	return c
}

// ReadsOSProfiler reports whether there is a key for OSProfiler's form. A nil Checker has none.
func (c *Checker) ReadsOSProfiler() bool { return c != nil && len(c.osprofiler) > 0 }

// Headers are the values of a request's headers of those names, nil if absent. One that was sent twice is malformed:
// nobody can tell which is meant.
type Headers struct {
	Own  []string // X-Calltap-Trigger
	Info []string // X-Trace-Info
	MAC  []string // X-Trace-HMAC
}

// Check judges a request's triggers at now and counts the verdict. If it carries both forms calltap's own is looked at.
func (c *Checker) Check(h Headers, now time.Time) (Trace, Verdict) {
	t, v := c.judge(h, now)
	if v != None {
		c.guard.Counts[v].Add(1)
	}
	return t, v
}

func (c *Checker) judge(h Headers, now time.Time) (Trace, Verdict) {
	switch {
	case h.Own != nil && len(c.own) > 0:
		return c.judgeOwn(h.Own, now)
	case h.Info != nil && h.MAC != nil && len(c.osprofiler) > 0:
		t, v := c.judgeOSProfiler(h.Info, h.MAC)
		if v == Valid && !c.rate.Take(now.UnixNano()) {
			return Trace{}, Limited
		}
		return t, v
	}
	return Trace{}, None
}
