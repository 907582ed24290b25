package sampling

import (
	"time"

	"github.com/calltap/calltap/span"
)

// Keep are the reasons to record a trace that its Head let go. A nil Keep has none.
type Keep struct {
	Errors   bool          // something failed
	Statuses [][2]int      // a request was answered with one of these, from and to
	Slower   time.Duration // it took as long or longer; 0 is no reason
}

// switching is the status of a connection that was upgraded, and that lasts for as long as its ends like.
const switching = 101

// Request reports whether an HTTP request is a reason.
func (k *Keep) Request(failed bool, status int, took time.Duration) bool {
	if k == nil {
		return false
	}
	if k.Errors && failed || k.Slower > 0 && took >= k.Slower && status != switching {
		return true
	}
	for _, r := range k.Statuses {
		if r[0] <= status && status <= r[1] {
			return true
		}
	}
	return false
}

// Span reports whether an RPC is a reason: if it failed, wherever it stands; if it was slow, only as the root of its trace. What
// a request set going may well take longer than one would wait for an answer.
func (k *Keep) Span(s *span.Span) bool {
	if k == nil {
		return false
	}
	return k.Errors && s.Error != "" || k.Slower > 0 && s.Parent == 0 && s.Duration >= k.Slower.Microseconds()
}
