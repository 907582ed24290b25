package keyrules

import (
	"sync"
	"sync/atomic"
)

// tables are what a Set and those made from it by With put out, and count, together.
type tables struct {
	keys     *table
	names    *table
	services *table // and categories
	actions  *table // and notes

	overflows atomic.Uint64
	offenders offenders
	seen      unmatchedTable
}

func newTables(limit int) *tables {
	side := max(limit, defaultMaxKeys) // names and actions of a small key table need not be few
	return &tables{keys: newTable(limit), names: newTable(side), services: newTable(side), actions: newTable(side)}
}

// maxOffenders is how many of the first calls without room for their key are kept.
const maxOffenders = 32

// offenders are the first calls whose keys were turned away. They tell an operator which rule or
// which client fills the table.
type offenders struct {
	full atomic.Bool
	mu   sync.Mutex
	list []Offender
}

func (o *offenders) add(key []byte, rule string) {
	if o.full.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.list {
		if o.list[i].Key == string(key) {
			return
		}
	}
	if len(o.list) < maxOffenders {
		o.list = append(o.list, Offender{Key: string(key), Rule: rule})
	}
	o.full.Store(len(o.list) == maxOffenders)
}

// Offenders returns the first 32 different keys that there was no room for, with the rules that made
// them. Further ones are only counted, by Overflows.
func (s *Set) Offenders() []Offender {
	o := &s.out.offenders
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Offender(nil), o.list...)
}
