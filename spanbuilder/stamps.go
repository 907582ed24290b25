package spanbuilder

import "github.com/calltap/calltap/span"

// stamp is how good a message's time is, in a byte: whose clock, and how late the tap was.
type stamp uint8

// lagWords are the values of the tag calltap.lag. Number 0 is unknown.
var (
	lagWords   = [...]string{"", "<1ms", "<10ms", "<100ms", "<1s", "<5s", ">=5s"}
	lagLimits  = [...]int64{1e3, 1e4, 1e5, 1e6, 5e6}
	clockWords = [...]string{ClockUnknown: "", ClockTap: "tap", ClockBroker: "broker"}
)

// stampOf is the stamp of m. A recording's times say nothing of a tap.
func stampOf(m *Message) stamp {
	if m.Clock == ClockUnknown || int(m.Clock) >= len(clockWords) {
		return 0
	}
	lag := 0
	if m.Lag > 0 {
		for lag = 1; lag <= len(lagLimits) && m.Lag >= lagLimits[lag-1]; {
			lag++
		}
	}
	return stamp(int(m.Clock) | lag<<2)
}

func (s stamp) tags(to []span.Tag) []span.Tag {
	if clock := clockWords[s&3]; clock != "" {
		to = append(to, span.Tag{Key: "calltap.clock", Value: clock})
	}
	if lag := lagWords[s>>2]; lag != "" {
		to = append(to, span.Tag{Key: "calltap.lag", Value: lag})
	}
	return to
}
