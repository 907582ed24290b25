package sampling

import "github.com/calltap/calltap/span"

// Head is how a trace is decided at its beginning, when there is little more than its id. It is a value, and cheap to
// copy; the zero Head records nothing.
type Head struct {
	Share float64 // of the traces, 0 to 1
	Rate  *Rate   // bounds how many of those; nil is no bound
	Alone bool    // what the caller decided does not count
	Final bool    // nor does anything else: Alone, no Rate, and nothing is kept later
}

// All records everything that no caller denies.
var All = Head{Share: 1}

// Always records everything.
var Always = Head{Share: 1, Final: true}

// Takes reports whether a trace is to be recorded, if nobody decided before.
func (h *Head) Takes(id span.TraceID) bool {
	return Chosen(id, h.Share) && (h.Rate == nil || h.Rate.Takes(id))
}

// Ruled is h with another share, of a rule. A final one is not bounded by the rate either.
func (h Head) Ruled(share float64, final bool) Head {
	h.Share, h.Final = share, final
	if final {
		h.Rate = nil
	}
	return h
}
