package caddymodule

import (
	"go.uber.org/zap"

	"github.com/calltap/calltap/trigger"
)

// rejections tells in the log, at most once a minute and kind, that triggers were of no use: anyone can send them, so
// each one cannot have a line.
type rejections [trigger.NumVerdicts]seldom

func (r *rejections) say(log *zap.Logger, v trigger.Verdict) {
	if n, now := r[v].due(); now {
		log.Warn("triggers were not obeyed; their requests went on without", zap.Stringer("reason", v), zap.Int64("requests", n))
	}
}
