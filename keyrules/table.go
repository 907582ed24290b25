package keyrules

import "sync"

// table is a bounded set of strings: what a Set may ever put out of one kind. It is never emptied,
// for a StatsD server does not forget a key either; a reload starts a new one.
type table struct {
	mu    sync.RWMutex
	words map[string]string
	limit int
}

func newTable(limit int) *table {
	return &table{words: make(map[string]string), limit: limit}
}

// reserve puts in a constant. It always has a place, and takes it from the others.
func (t *table) reserve(word string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.words[word] = word
}

// internFor is intern for one rule: room holds the words of its own, which are fewer than t's.
func (t *table) internFor(room *table, b []byte) (string, bool) {
	room.mu.Lock()
	defer room.mu.Unlock()
	if word, ok := room.words[string(b)]; ok {
		return word, true
	}
	if len(room.words) >= room.limit {
		return "", false
	}
	word, ok := t.intern(b)
	if ok {
		room.words[word] = word
	}
	return word, ok
}

// intern returns the table's own string for b, adding it if there is room. Off the miss path it
// neither allocates nor writes.
func (t *table) intern(b []byte) (string, bool) {
	t.mu.RLock()
	word, ok := t.words[string(b)]
	full := len(t.words) >= t.limit
	t.mu.RUnlock()
	if ok || full {
		return word, ok
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if word, ok = t.words[string(b)]; ok { // somebody was faster
		return word, true
	}
	if len(t.words) >= t.limit {
		return "", false
	}
	word = string(b)
	t.words[word] = word
	return word, true
}

// size returns how many words are in.
func (t *table) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.words)
}
