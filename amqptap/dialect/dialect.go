package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/calltap/calltap/spanbuilder"
)

// Verdict is what a dialect makes of a record.
type Verdict uint8

// The verdicts. From TooLarge on the message was recognised and could not be used.
const (
	NotMine  Verdict = iota // another dialect may try
	Decoded                 // the Message is complete
	Ignored                 // recognised, and of no interest to tracing
	TooLarge                // body above the limit, not looked into
	TooDeep                 // nested beyond maxDepth
	BadJSON                 // not JSON where the protocol demands it, or cut off
	BadField                // a member that the protocol needs is absent, overlong or of a wrong type
	NumVerdicts
)

var verdictWords = [NumVerdicts]string{"not_mine", "decoded", "ignored", "too_large", "too_deep", "bad_json", "bad_field"}

// String is the verdict's word on the status page.
func (v Verdict) String() string { return verdictWords[v] }

// Malformed reports whether the message was recognised and could not be used.
func (v Verdict) Malformed() bool { return v >= TooLarge }

// Dialect is one RPC protocol. A Dialect keeps scratch memory and is not safe for concurrent use.
type Dialect interface {
	// Name is the protocol's word in configuration and in the tag rpc.system.
	Name() string
	// Decode fills in what the protocol knows of the message; the facts that any message has are
	// in m already. Strings in m may point into r.Body and into scratch that the next call reuses.
	// With NotMine, m is as it was.
	Decode(r *Record, m *spanbuilder.Message) Verdict
}

// Limits bound the work on one message. Zero values mean the defaults.
type Limits struct {
	MaxBody int // bytes; default DefaultMaxBody
}

// DefaultMaxBody is the largest body that is looked into. Oslo's ids come last in a body, after
// arguments of any length, so a body is read whole or not at all; at 2 GB/s this is half a millisecond.
const DefaultMaxBody = 1 << 20

// registry holds the dialects in the order in which they are asked: who knows its messages by a mark
// of its own comes before who goes by what any message has.
var registry = []struct {
	name string
	make func(shared) Dialect
}{
	{"oslo", func(s shared) Dialect { return &oslo{limits: s.limits} }},
	{"nameko", func(s shared) Dialect { return &nameko{shared: s} }},
	{"celery", func(s shared) Dialect { return &celery{shared: s} }},
	{"masstransit", func(s shared) Dialect { return &massTransit{shared: s} }},
	{"spring", func(s shared) Dialect { return &spring{shared: s} }},
	{"moleculer", func(s shared) Dialect { return &moleculer{shared: s} }},
	{"jsonrpc", func(s shared) Dialect { return &jsonrpc{shared: s} }},
	{"direct", func(s shared) Dialect { return &direct{plain{shared: s}} }},
	{"plain", func(s shared) Dialect { return &plain{shared: s} }},
}

// shared is what all dialects of a Set have.
type shared struct {
	limits    Limits
	addresses *addresses // where the replies of recent calls will go, whichever dialect read the call; Set.Decode fills it
	batches   *int64     // Set.Batches
}

// Names lists all dialects in the order in which they are asked.
func Names() []string {
	names := make([]string, len(registry))
	for i, e := range registry {
		names[i] = e.name
	}
	return names
}

// Set is the dialects that one tap understands. It is not safe for concurrent use.
type Set struct {
	dialects  []Dialect
	addresses addresses

	// BadContext counts the trace headers that could not be used, by what was wrong with them.
	BadContext [spanbuilder.NumFaults]int64

	// Batches counts the messages that hold several requests or replies, JSON-RPC's. Each is read as one.
	Batches int64
}

// NewSet makes a Set of the named dialects, of all if there are none. They are asked in the order
// of Names whatever the order here. An unknown name is an error.
func NewSet(l Limits, names ...string) (*Set, error) {
	for _, n := range names {
		if !slices.Contains(Names(), n) {
			return nil, fmt.Errorf("unknown dialect %q, known are: %s", n, strings.Join(Names(), ", "))
		}
	}
	if l.MaxBody <= 0 {
		l.MaxBody = DefaultMaxBody
	}
	s := &Set{}
	for _, e := range registry {
		if len(names) == 0 || slices.Contains(names, e.name) {
			s.dialects = append(s.dialects, e.make(shared{limits: l, addresses: &s.addresses, batches: &s.Batches}))
		}
	}
	return s, nil
}

// Decode asks each dialect in turn. It returns the name of the one that knew the message, "" with
// NotMine if none did. m is overwritten. The strings in m live until the next call.
func (s *Set) Decode(r *Record, m *spanbuilder.Message) (string, Verdict) {
	context, fault := contextOf(&r.Properties)
	if fault != spanbuilder.NoFault {
		s.BadContext[fault]++
	}
	prepare(r, m)
	m.Context = context
	for _, d := range s.dialects {
		if v := d.Decode(r, m); v != NotMine {
			m.Dialect = d.Name()
			if m.Form == spanbuilder.FormCall {
				s.addresses.add(m.VHost, m.ReplyTo)
			}
			return m.Dialect, v
		}
	}
	return "", NotMine
}

// prepare sets the facts that do not depend on a protocol, and clears all others.
func prepare(r *Record, m *spanbuilder.Message) {
	*m = spanbuilder.Message{
		Time:        r.Time,
		Point:       r.Point,
		OneSided:    r.Mirror,
		VHost:       r.VHost,
		Exchange:    r.Exchange,
		RoutingKey:  r.RoutingKey,
		Queue:       r.Queue,
		Connection:  r.Connection,
		Size:        max(r.Size, len(r.Body)),
		Redelivered: r.Redelivered,
		// The default exchange lists the queue that a message names even where there is none,
		// so an empty list means nothing there.
		Unroutable: r.Point == spanbuilder.Published && r.RoutedKnown && r.RoutedQueues == 0 && r.Exchange != "",
		Timeout:    expiration(r.Properties.Expiration),
	}
	if r.Properties.Headers != nil {
		m.DeadReason, m.DeadQueue, _, _ = r.Properties.Headers.Death()
	}
}
