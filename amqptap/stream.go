package amqptap

import (
	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/spanbuilder"
)

// stream is what a live tap and a replayed file have in common: records go in one after the other, and
// spans come out. One goroutine uses it; counters and pairer.Stats may be read by others.
type stream struct {
	dialects *dialect.Set
	pairer   *spanbuilder.Pairer
	counters *counters
	rules    *keyrules.Set // whose arguments the dialects read
	clock    *clock        // nil for a recording, whose times are taken as they are
}

func newStream(l dialect.Limits, dialects []string, o spanbuilder.PairerOptions) (*stream, error) {
	set, err := dialect.NewSet(l, dialects...)
	if err != nil {
		return nil, err
	}
	return &stream{dialects: set, pairer: spanbuilder.NewPairer(o), counters: newCounters()}, nil
}

// observe takes one record. m is scratch, so that it need not be allocated for each.
func (s *stream) observe(tr *spanbuilder.Tracer, r *dialect.Record, m *spanbuilder.Message) {
	if tr.Rules != s.rules {
		s.follow(tr.Rules)
	}
	name, v := s.dialects.Decode(r, m)
	s.counters.event(r.Point, name, v)
	if v == dialect.Decoded {
		if s.clock != nil {
			s.clock.stamp(r, m)
		}
		s.pairer.Observe(tr, m)
	}
}

// follow reads what these rules ask for from now on.
func (s *stream) follow(rules *keyrules.Set) {
	s.rules = rules
	var needs keyrules.Needs
	if rules != nil {
		needs = rules.Needs()
	}
	s.dialects.ReadArgs(needs.RPCArgs)
}

// badContexts is how many trace headers could not be used.
func (s *stream) badContexts() (n int64) {
	for _, of := range s.dialects.BadContext {
		n += of
	}
	return n
}
