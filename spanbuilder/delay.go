package spanbuilder

import "time"

// Celery's workers get a task with a countdown at once, and keep it until its time. That is no service time: the SERVER span of
// such a call begins when the work may begin, with the tag rpc.delayed. Its timeout counts from then on too. The queue wait ends
// with the delivery, as ever.

// delay is how long the receiver of m is asked to wait with it.
func (m *Message) delay() time.Duration {
	if m.NotBefore <= m.Time {
		return 0
	}
	return time.Duration(min(m.NotBefore-m.Time, maxTimeout.Microseconds())) * time.Microsecond
}

// workBegan is when the receiver began: at the delivery, or when it was asked to if that is later. A time after the reply is
// that of a clock that is wrong.
func (c *call) workBegan() (at int64, delayed bool) {
	at = c.work.delivered
	if c.after == nil || c.after.notBefore <= at || c.after.notBefore >= c.at(replyPublished) {
		return at, false
	}
	return c.after.notBefore, true
}
