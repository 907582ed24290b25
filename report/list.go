package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxServices is how many names of services a line of the list shows.
const maxServices = 5

// WriteList prints a line a trace, the newest first.
func WriteList(w io.Writer, traces []Trace) error {
	var lines []summary
	for _, t := range traces {
		if len(t.Spans) > 0 {
			lines = append(lines, summarize(t))
		}
	}
	slices.SortStableFunc(lines, func(a, b summary) int { return cmp.Or(b.began.Compare(a.began), cmp.Compare(a.id, b.id)) })
	out := bufio.NewWriter(w)
	if len(lines) == 0 {
		fmt.Fprintln(out, "no traces")
		return out.Flush()
	}
	fmt.Fprintf(out, "%-32s  %-24s %11s %6s %6s  %s\n", "TRACE", "BEGAN", "LENGTH ms", "SPANS", "ERRORS", "ROOT (SERVICES)")
	for _, l := range lines {
		fmt.Fprintf(out, "%-32s  %-24s %11s %6d %6d  %s\n", l.id, when(l.began), millis(l.length), l.spans, l.errors, l.root)
	}
	return out.Flush()
}

// summary is one line of the list.
type summary struct {
	id     string
	began  time.Time
	length time.Duration
	spans  int
	errors int
	root   string
}

func summarize(t Trace) summary {
	roots, all := buildTree(t.Spans)
	s := summary{id: all[0].TraceID.String(), spans: len(all)}
	s.began, s.length = extent(all)
	_, s.errors = count(all)
	root := roots[0]
	s.root = strings.TrimSpace(Printable(serviceOf(root.SpanModel)) + " " + Printable(root.Name))
	s.root += " (" + strings.Join(services(all), ", ") + ")"
	if root.mark != "" {
		s.root += " (" + root.mark + ")"
	}
	return s
}

// services lists the names of a trace's services in the order in which they come in.
func services(all []*node) []string {
	var names []string
	seen := make(map[string]bool)
	for _, n := range all {
		name := service(n)
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		names = append(names, Printable(name))
	}
	if more := len(names) - maxServices; more > 0 {
		names = append(names[:maxServices], fmt.Sprintf("and %d more", more))
	}
	return names
}
