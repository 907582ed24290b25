package integration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/calltap/calltap/integration/harness"
)

// drawing shows a trace as a tree, children in the order of their starts:
//
//	SERVER nova-api post /v2.1/servers
//	  CLIENT nova-api build_instance
//
// A span whose parent is not in the trace is drawn at the left margin with "LOOSE" before it.
func drawing(spans []harness.Span) string {
	known := make(map[string]bool)
	children := make(map[string][]harness.Span)
	for _, s := range spans {
		known[s.ID] = true
		children[s.ParentID] = append(children[s.ParentID], s)
	}
	var b strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		below := children[parent]
		slices.SortFunc(below, func(a, b harness.Span) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
		for _, s := range below {
			fmt.Fprintf(&b, "%s%s %s %s\n", indent, s.Kind, s.Local.ServiceName, s.Name)
			draw(s.ID, indent+"  ")
		}
	}
	draw("", "")
	for parent := range children {
		if parent != "" && !known[parent] {
			draw(parent, "LOOSE ")
		}
	}
	return b.String()
}

// find returns the only span of a kind whose name ends in name.
func find(spans []harness.Span, kind, name string) harness.Span {
	var found []harness.Span
	for _, s := range spans {
		if s.Kind == kind && strings.HasSuffix(s.Name, name) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return harness.Span{Name: fmt.Sprintf("%d spans %s %s", len(found), kind, name)}
	}
	return found[0]
}
