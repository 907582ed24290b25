package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/calltap/calltap/integration/harness"
)

// trace is the spans of one trace, as the real Zipkin answers them: names and services in lower case.
type trace []harness.Span

// traceIDOf is the trace that a request id names.
func traceIDOf(requestID string) string {
	return strings.ReplaceAll(strings.TrimPrefix(requestID, "req-"), "-", "")
}

// requestIDOf is the request id that names a trace.
func requestIDOf(traceID string) string {
	return fmt.Sprintf("req-%s-%s-%s-%s-%s", traceID[:8], traceID[8:12], traceID[12:16], traceID[16:20], traceID[20:])
}

// root returns the one span without a parent, and an error if there is not exactly one or a span hangs loose.
func (t trace) root() (harness.Span, error) {
	ids := make(map[string]bool)
	for _, s := range t {
		ids[s.ID] = true
	}
	var roots []harness.Span
	for _, s := range t {
		switch {
		case s.ParentID == "":
			roots = append(roots, s)
		case !ids[s.ParentID]:
			return s, fmt.Errorf("%s %s hangs loose", s.Local.ServiceName, s.Name)
		}
	}
	if len(roots) != 1 {
		return harness.Span{}, fmt.Errorf("%d roots among %d spans", len(roots), len(t))
	}
	return roots[0], nil
}

// requests are the sorted HTTP requests below the root, each as "glance GET 200".
func (t trace) requests() (all []string) {
	for _, s := range t {
		if isHTTP(s) && s.ParentID != "" {
			all = append(all, strings.Join([]string{s.Local.ServiceName, s.Tags["http.method"], s.Tags["http.status_code"]}, " "))
		}
	}
	slices.Sort(all)
	return all
}

// sent are the sorted names of all calls and casts.
func (t trace) sent() (all []string) {
	for _, s := range t {
		if s.Kind == "CLIENT" || s.Kind == "PRODUCER" {
			all = append(all, s.Name)
		}
	}
	slices.Sort(all)
	return all
}

// count is how many calls and casts have a name.
func (t trace) count(name string) (n int) {
	for _, sent := range t.sent() {
		if sent == name {
			n++
		}
	}
	return n
}

// received fails on a call or cast without its other side.
func (t trace) received() error {
	below := make(map[string]bool)
	for _, s := range t {
		if s.Kind == "SERVER" || s.Kind == "CONSUMER" {
			below[s.ParentID] = true
		}
	}
	for _, s := range t {
		if (s.Kind == "CLIENT" || s.Kind == "PRODUCER") && !below[s.ID] {
			return fmt.Errorf("nobody received %s", s.Name)
		}
	}
	return nil
}

// find returns the only span of a kind and name.
func (t trace) find(kind, name string) (harness.Span, error) {
	var found []harness.Span
	for _, s := range t {
		if s.Kind == kind && s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return harness.Span{}, fmt.Errorf("%d spans %s %s", len(found), kind, name)
	}
	return found[0], nil
}

// below fails unless all calls and casts of the service hang, at any depth, below the span. Those are its work.
func (t trace) below(ancestor harness.Span, service string) error {
	parents := make(map[string]string)
	for _, s := range t {
		parents[s.ID] = s.ParentID
	}
	for _, s := range t {
		if s.Local.ServiceName != service || s.Kind != "CLIENT" && s.Kind != "PRODUCER" {
			continue
		}
		at := s.ID
		for at != "" && at != ancestor.ID {
			at = parents[at]
		}
		if at == "" {
			return fmt.Errorf("%s of %s is not below %s", s.Name, service, ancestor.Name)
		}
	}
	return nil
}

// services are the sorted names of all services.
func (t trace) services() []string {
	all := make(map[string]bool)
	for _, s := range t {
		all[s.Local.ServiceName] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func isHTTP(s harness.Span) bool { return s.Tags["http.method"] != "" }

// tree draws the trace, earlier spans first.
func (t trace) tree() string {
	children := make(map[string]trace)
	first := int64(0)
	for _, s := range t {
		children[s.ParentID] = append(children[s.ParentID], s)
		if first == 0 || s.Timestamp < first {
			first = s.Timestamp
		}
	}
	var b strings.Builder
	var draw func(parent string, depth int)
	draw = func(parent string, depth int) {
		slices.SortFunc(children[parent], func(x, y harness.Span) int { return cmp.Compare(x.Timestamp, y.Timestamp) })
		for _, s := range children[parent] {
			fmt.Fprintf(&b, "%9.1f %s%s\n", float64(s.Timestamp-first)/1000, strings.Repeat("  ", depth), line(s))
			draw(s.ID, depth+1)
		}
	}
	draw("", 0)
	return b.String()
}

// line is one span of a tree.
func line(s harness.Span) string {
	text := fmt.Sprintf("%-8s  %-14s  %s", s.Kind, s.Local.ServiceName, s.Name)
	if s.Duration > 0 {
		text += fmt.Sprintf("  %.1f ms", float64(s.Duration)/1000)
	}
	for _, tag := range []string{"error", "calltap.parent", "calltap.end", "rpc.late", "calltap.incomplete"} {
		if v, ok := s.Tags[tag]; ok {
			text += fmt.Sprintf("  %s=%s", tag, v)
		}
	}
	return text
}

// guessed is how many spans say that their parent is a guess.
func (t trace) guessed() (n int) {
	for _, s := range t {
		if s.Tags["calltap.parent"] == "guessed" {
			n++
		}
	}
	return n
}

func length(s harness.Span) time.Duration { return time.Duration(s.Duration) * time.Microsecond }
