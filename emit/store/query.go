package store

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/calltap/calltap/span"
)

// query is a search for traces (Zipkin's QueryRequest). Times are in Zipkin's units: the window in
// milliseconds, durations in microseconds.
type query struct {
	service     string // "": any; constrains what follows to the spans of this service
	remote      string
	span        string
	annotations map[string]string // value "": a note of that value or a tag of that key
	minDuration int64             // 0: not asked
	maxDuration int64             // 0: not asked
	endTs       int64
	lookback    int64
	limit       int
}

func (q *query) validate(minSet, maxSet bool) error {
	switch {
	case q.endTs <= 0:
		return errors.New("endTs <= 0")
	case q.limit <= 0:
		return errors.New("limit <= 0")
	case q.lookback <= 0:
		return errors.New("lookback <= 0")
	case minSet && q.minDuration <= 0:
		return errors.New("minDuration <= 0")
	case maxSet && !minSet:
		return errors.New("maxDuration is only valid with minDuration")
	case maxSet && q.maxDuration < q.minDuration:
		return errors.New("maxDuration < minDuration")
	}
	return nil
}

// parseAnnotations reads "error and http.method=GET". Of several values for one tag the last counts;
// a word alone does not override a value.
func parseAnnotations(text string) map[string]string {
	if text == "" {
		return nil
	}
	out := map[string]string{}
	for _, word := range strings.SplitN(text, " and ", 100) {
		key, value, isTag := strings.Cut(word, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, known := out[key]; isTag || !known {
			out[key] = value
		}
	}
	return out
}

// search returns the traces that match, the latest first.
func (s *Store) search(q *query) [][]span.Span {
	var out [][]span.Span
	for _, v := range inWindow(s.snapshot(), q.endTs, q.lookback) {
		if !q.matches(v.each()) { // cheap: it allocates nothing
			continue
		}
		for _, spans := range v.strict() {
			if q.matches(pointers(spans)) {
				out = append(out, spans)
			}
		}
		if len(out) >= q.limit {
			return out
		}
	}
	return out
}

// inWindow returns the traces with a span that starts in the window, by the latest such start.
func inWindow(views []view, endTs, lookback int64) []view {
	type candidate struct {
		latest int64
		view   view
	}
	var found []candidate
	begin := endTs - lookback
	for _, v := range views {
		if latest, ok := v.latestStart(begin, endTs); ok {
			found = append(found, candidate{latest, v})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.latest, a.latest), cmp.Compare(b.view.low, a.view.low))
	})
	out := make([]view, len(found))
	for i := range found {
		out[i] = found[i].view
	}
	return out
}

// latestStart is the latest start, in milliseconds, between begin and end.
func (v view) latestStart(begin, end int64) (latest int64, ok bool) {
	from, to := v.trace.from/1000, v.trace.to/1000
	if to < begin || from > end {
		return 0, false
	}
	if to <= end { // the usual case needs no reading
		return to, true
	}
	for s := range v.each() {
		if at := s.Start / 1000; at >= begin && at <= end && (!ok || at > latest) {
			latest, ok = at, true
		}
	}
	return latest, ok
}

// matches applies the query to the spans of one trace. Each condition may be met by another span.
func (q *query) matches(spans iter.Seq[*span.Span]) bool {
	start, rooted := int64(0), false // of the first root, else the earliest, µs
	service, remote, name, duration := q.service == "", q.remote == "", q.span == "", q.minDuration == 0
	var wanted map[string]string
	if len(q.annotations) > 0 {
		wanted = maps.Clone(q.annotations)
	}
	for s := range spans {
		if !rooted && (s.Parent == 0 || start == 0 || s.Start < start) {
			start, rooted = s.Start, s.Parent == 0
		}
		if q.service != "" && s.Local.Service != q.service {
			continue
		}
		service = true
		remote = remote || s.Remote.Service == q.remote
		name = name || s.Name == q.span
		duration = duration || s.Duration >= q.minDuration && (q.maxDuration == 0 || s.Duration <= q.maxDuration)
		strike(wanted, s)
	}
	return start >= (q.endTs-q.lookback)*1000 && start <= q.endTs*1000 &&
		service && remote && name && duration && len(wanted) == 0
}

// each reads the spans one after the other into the same memory.
func (v view) each() iter.Seq[*span.Span] {
	return func(yield func(*span.Span) bool) {
		var s span.Span
		for r := (reader{v.trace.buf}); r.next(v.low, &s) && yield(&s); {
		}
	}
}

func pointers(spans []span.Span) iter.Seq[*span.Span] {
	return func(yield func(*span.Span) bool) {
		for i := range spans {
			if !yield(&spans[i]) {
				return
			}
		}
	}
}

// strike removes what the span fulfils.
func strike(wanted map[string]string, s *span.Span) {
	if len(wanted) == 0 {
		return
	}
	for i := range s.Notes {
		if v, ok := wanted[s.Notes[i].Value]; ok && v == "" {
			delete(wanted, s.Notes[i].Value)
		}
	}
	for i := range s.Tags {
		if v, ok := wanted[s.Tags[i].Key]; ok && (v == "" || v == s.Tags[i].Value) {
			delete(wanted, s.Tags[i].Key)
		}
	}
}

// names returns what pick finds in the spans, each once and sorted.
func (s *Store) names(pick func(*span.Span) string) []string {
	seen := map[string]struct{}{}
	for _, v := range s.snapshot() {
		for sp := range v.each() {
			name := pick(sp)
			if name == "" {
				continue
			}
			if _, ok := seen[name]; !ok {
				seen[strings.Clone(name)] = struct{}{}
			}
		}
	}
	out := make([]string, 0, len(seen))
	for name := range seen {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
