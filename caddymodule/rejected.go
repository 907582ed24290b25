package caddymodule

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/calltap/calltap/trigger"
)

// rejections tells in the log, at most once a minute and kind, that triggers were of no use: anyone can send them, so
// each one cannot have a line.
type rejections [trigger.NumVerdicts]struct {
	next atomic.Int64 // when it may be told again, Unix seconds
	n    atomic.Int64 // since it was last told
}

const rejectionPause = 60 // seconds

func (r *rejections) say(log *zap.Logger, v trigger.Verdict) {
	of := &r[v]
	n, now := of.n.Add(1), time.Now().Unix()
	next := of.next.Load()
	if now < next || !of.next.CompareAndSwap(next, now+rejectionPause) {
		return
	}
	of.n.Store(0)
	log.Warn("triggers were not obeyed; their requests went on without", zap.Stringer("reason", v), zap.Int64("requests", n))
}
