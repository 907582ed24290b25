package spanbuilder

import (
	"sync"
	"sync/atomic"
)

// labels numbers the few strings that very many entries share. Number 0 is "", which also stands for
// whatever comes after the table is full. Reading takes no lock.
type labels struct {
	mu    sync.Mutex
	table atomic.Pointer[labelTable]
}

type labelTable struct {
	numbers map[string]uint16
	texts   []string
}

func (l *labels) number(s string) uint16 {
	if s == "" {
		return 0
	}
	if t := l.table.Load(); t != nil {
		if n, ok := t.numbers[s]; ok {
			return n
		}
		if len(t.texts) >= maxLinkLabels {
			return 0
		}
	}
	return l.add(s)
}

// add copies the table, as readers may be in it. It happens once a site.
func (l *labels) add(s string) uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &labelTable{numbers: map[string]uint16{"": 0}, texts: []string{""}}
	if t := l.table.Load(); t != nil {
		if n, ok := t.numbers[s]; ok {
			return n
		}
		if len(t.texts) >= maxLinkLabels {
			return 0
		}
		for _, text := range t.texts[1:] {
			next.numbers[text] = uint16(len(next.texts))
			next.texts = append(next.texts, text)
		}
	}
	n := uint16(len(next.texts))
	next.numbers[s] = n
	next.texts = append(next.texts, s)
	l.table.Store(next)
	return n
}

func (l *labels) text(n uint16) string {
	t := l.table.Load()
	if t == nil || int(n) >= len(t.texts) {
		return ""
	}
	return t.texts[n]
}
