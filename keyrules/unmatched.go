package keyrules

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxSightings is how many kinds of calls without a rule are told apart.
const maxSightings = 512

// unmatchedTable counts, by kind, the calls that no rule took, so that `calltap keys` can list what
// there is to write rules for. Kinds beyond its size are only counted together.
type unmatchedTable struct {
	lost atomic.Uint64 // calls of kinds that had no room
	full atomic.Bool
	mu   sync.RWMutex
	rows map[sightingKey]*sighting
	room []sighting // for all rows, made at the first: a flood of new paths is not to allocate each
}

// sightingKey tells kinds apart. Its texts are the Set's own, from bounded tables, or copies.
type sightingKey struct {
	kind                  Kind
	service, name, action string
	exchange, topic       string
}

// sighting is one kind of call that no rule took.
type sighting struct {
	key     string // the default's
	method  string
	count   atomic.Uint64
	example atomic.Pointer[string] // a path that came twice; it may hold secrets, see harmless
}

// of returns the row of a call, nil if there is no room. A name that had no room itself has none here.
func (t *unmatchedTable) of(f *facts, r *Result) *sighting {
	k := sightingKey{kind: f.kind, service: r.Service, name: r.Name, action: r.Action}
	if f.kind == RPC {
		k.exchange, k.topic = f.exchange, f.topic
	}
	t.mu.RLock()
	row := t.rows[k]
	t.mu.RUnlock()
	if row != nil {
		return row
	}
	if t.full.Load() || r.Key == overflowKey {
		t.lost.Add(1)
		return nil
	}
	return t.add(f, k, r.Key)
}

func (t *unmatchedTable) add(f *facts, k sightingKey, key string) *sighting {
	k.exchange, k.topic = strings.Clone(k.exchange), strings.Clone(k.topic)
	t.mu.Lock()
	defer t.mu.Unlock()
	if row := t.rows[k]; row != nil { // somebody was faster
		return row
	}
	if t.rows == nil {
		t.rows = make(map[sightingKey]*sighting, maxSightings)
		t.room = make([]sighting, maxSightings)
	}
	row := &t.room[len(t.rows)]
	row.key = key
	if f.kind == HTTP {
		row.method, _, _ = strings.Cut(k.name, " ")
	} else {
		row.method = strings.Clone(f.rpcMethod[:min(len(f.rpcMethod), maxText)])
	}
	t.rows[k] = row
	t.full.Store(len(t.rows) == maxSightings)
	return row
}

// Unmatched lists the kinds of calls that no rule and no route table took, the most frequent first:
// at most 512. It is what a rule file is still to be written for; see StarterRules.
func (s *Set) Unmatched() []Unmatched {
	t := &s.out.seen
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]Unmatched, 0, len(t.rows))
	for k, row := range t.rows {
		u := Unmatched{Kind: "http", Method: row.method, Action: k.action, Exchange: k.exchange, Topic: k.topic,
			Service: k.service, Key: row.key, Count: row.count.Load()}
		if k.kind == RPC {
			u.Kind = "rpc"
		} else {
			_, u.Path, _ = strings.Cut(k.name, " ")
		}
		if path := row.example.Load(); path != nil && k.kind == HTTP {
			u.Example = harmless(*path)
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b Unmatched) int {
		if a.Count != b.Count {
			return int(min(max(int64(b.Count)-int64(a.Count), -1), 1))
		}
		return strings.Compare(a.Kind+a.Key+a.Method, b.Kind+b.Key+b.Method)
	})
	return list
}

// UnmatchedLost returns how many calls that no rule took are of kinds that had no room in the list.
func (s *Set) UnmatchedLost() uint64 { return s.out.seen.lost.Load() }

// harmless is a path for people to see: words, numbers and UUIDs stay, and what may be a token or a
// person's address becomes {id}.
func harmless(path string) string {
	p := newPath(path)
	var out []byte
	for i := range p.n {
		out = append(out, '/')
		if seg := p.segment(i); !isID(seg) || isNumber(seg) || isUUID(seg) {
			out = appendText(out, seg)
		} else {
			out = append(out, "{id}"...)
		}
	}
	if p.n == 0 {
		return "/"
	}
	return string(out)
}

func isNumber(s string) bool { return len(s) <= 20 && strings.Trim(s, "0123456789") == "" }

// isUUID reports the dashed form; without dashes it may as well be a token.
func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}
