package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/openzipkin/zipkin-go/model"
)

// node is a span in its place.
type node struct {
	*model.SpanModel
	children []*node
	mark     string // why the node is where it is, if not by its parent's wish
	placed   bool   // its parent has it, or it is a root
}

// identity is what makes two reports the same span. A server that joined its client's span (B3's
// shared) has the client's id and is yet another span.
type identity struct {
	id     model.ID
	shared bool
}

// Marks.
const (
	markOrphan = "parent missing"
	markCycle  = "parent is its own descendant"
)

// buildTree puts each span below its parent. It returns the roots and all nodes, in order of time.
func buildTree(spans []model.SpanModel) (roots, all []*node) {
	byID := make(map[identity]*node, len(spans))
	for i := range spans {
		s := &spans[i]
		key := identity{s.ID, s.Shared}
		if n, ok := byID[key]; ok {
			merge(n.SpanModel, s)
			continue
		}
		copied := *s
		n := &node{SpanModel: &copied}
		byID[key] = n
		all = append(all, n)
	}
	slices.SortStableFunc(all, byTime)
	for _, n := range all {
		switch parent, named := parentOf(n, byID); {
		case parent != nil:
			parent.children = append(parent.children, n)
		case named:
			n.mark = markOrphan
			fallthrough
		default:
			roots = append(roots, n)
		}
	}
	return breakCycles(roots, all), all
}

// parentOf finds the parent; named says that the span names one, found or not.
func parentOf(n *node, byID map[identity]*node) (parent *node, named bool) {
	if n.Shared {
		if client := byID[identity{n.ID, false}]; client != nil {
			return client, true
		}
	}
	if n.ParentID == nil || *n.ParentID == 0 {
		return nil, false
	}
	// What a server caused hangs below the server, not below the client whose id it shares, unless it is
	// the client's own process that says so.
	server, client := byID[identity{*n.ParentID, true}], byID[identity{*n.ParentID, false}]
	switch {
	case server == nil:
		return client, true
	case client != nil && service(client) == service(n) && service(server) != service(n):
		return client, true
	default:
		return server, true
	}
}

// breakCycles makes a root of the earliest span of each group that no root leads to: every span in it
// descends from itself. Who hangs below that root a second time is cut off there.
func breakCycles(roots, all []*node) []*node {
	for _, root := range roots {
		place(root)
	}
	for _, n := range all {
		if !n.placed {
			n.mark = markCycle
			roots = append(roots, n)
			place(n)
		}
	}
	slices.SortStableFunc(roots, byTime)
	return roots
}

// place marks n and all below it, and drops children that are placed already. It does not recurse: a
// trace may be as deep as it is long.
func place(n *node) {
	n.placed = true
	stack := []*node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n.children = slices.DeleteFunc(n.children, func(child *node) bool {
			if child.placed {
				return true
			}
			child.placed = true
			stack = append(stack, child)
			return false
		})
	}
}

// merge adds to s what another report of the same span knows. The first report's word stands.
func merge(s, other *model.SpanModel) {
	if s.Timestamp.IsZero() || !other.Timestamp.IsZero() && other.Timestamp.Before(s.Timestamp) {
		s.Timestamp = other.Timestamp
	}
	s.Duration = max(s.Duration, other.Duration)
	s.Name = cmp.Or(s.Name, other.Name)
	s.Kind = cmp.Or(s.Kind, other.Kind)
	if s.ParentID == nil {
		s.ParentID = other.ParentID
	}
	if s.LocalEndpoint == nil {
		s.LocalEndpoint = other.LocalEndpoint
	}
	s.Annotations = append(s.Annotations, other.Annotations...)
	if s.Tags == nil {
		s.Tags = other.Tags
		return
	}
	tags := make(map[string]string, len(s.Tags)+len(other.Tags))
	for _, m := range []map[string]string{other.Tags, s.Tags} {
		for k, v := range m {
			tags[k] = v
		}
	}
	s.Tags = tags
}

// byTime sorts spans without a time to the end, and those of one time by id, so that output is stable.
func byTime(a, b *node) int {
	if a.Timestamp.IsZero() != b.Timestamp.IsZero() {
		if a.Timestamp.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.ID, b.ID))
}

// extent returns when a trace began and how long it took until the last end that is known.
func extent(spans []*node) (begin time.Time, length time.Duration) {
	var end time.Time
	for _, n := range spans {
		if n.Timestamp.IsZero() {
			continue
		}
		if begin.IsZero() || n.Timestamp.Before(begin) {
			begin = n.Timestamp
		}
		if last := n.Timestamp.Add(n.Duration); last.After(end) {
			end = last
		}
	}
	return begin, end.Sub(begin)
}

func service(n *node) string {
	if n.LocalEndpoint == nil {
		return ""
	}
	return strings.ToLower(n.LocalEndpoint.ServiceName)
}

// errorOf returns the tag error and whether there is one; it may be empty and yet mean failure.
func errorOf(s *model.SpanModel) (string, bool) {
	text, ok := s.Tags["error"]
	return text, ok
}

// incomplete reports whether the span is one side of an exchange that was not seen to end. One-way
// messages have no end.
func incomplete(s *model.SpanModel) bool {
	return s.Timestamp.IsZero() || s.Duration == 0 && (s.Kind == model.Client || s.Kind == model.Server)
}
