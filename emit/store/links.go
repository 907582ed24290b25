package store

import "github.com/calltap/calltap/span"

// link is one arrow of the dependency graph, in Zipkin's JSON.
type link struct {
	Parent     string `json:"parent"`
	Child      string `json:"child"`
	CallCount  int64  `json:"callCount"`
	ErrorCount int64  `json:"errorCount,omitempty"`
}

// linker counts who called whom.
type linker struct {
	links []*link
	index map[[2]string]*link
}

// dependencies returns the links of all traces with a span that starts in the window (milliseconds).
func (s *Store) dependencies(endTs, lookback int64) []*link {
	l := linker{index: map[[2]string]*link{}, links: []*link{}}
	for _, v := range inWindow(s.snapshot(), endTs, lookback) {
		// Not by full trace id: a trace of which one service saw but the low half is still one.
		l.addTrace(tree(v.spans()))
	}
	return l.links
}

func (l *linker) add(parent, child string, failed bool) {
	if parent == "" || child == "" {
		return
	}
	k := l.index[[2]string{parent, child}]
	if k == nil {
		k = &link{Parent: parent, Child: child}
		l.index[[2]string{parent, child}] = k
		l.links = append(l.links, k)
	}
	k.CallCount++
	if failed {
		k.ErrorCount++
	}
}

// addTrace walks the tree, level by level. A call is counted once, where it was served; at the leaves,
// where it was made, since there the other side did not trace.
func (l *linker) addTrace(root *node) {
	queue := []*node{root}
	for len(queue) > 0 {
		n := queue[0]
		queue = append(queue[1:], n.children...)
		if n.span != nil {
			l.addSpan(n, n == root)
		}
	}
}

func (l *linker) addSpan(n *node, root bool) {
	s := n.span
	local, remote := s.Local.Service, s.Remote.Service
	switch s.Kind {
	case span.KindProducer:
		l.add(local, remote, failed(s)) // a messaging span links to its broker, not to the other side
	case span.KindConsumer:
		l.add(remote, local, failed(s))
	case span.KindServer:
		if !root || remote != "" {
			l.addCall(n, remote, local)
		}
	case span.KindClient:
		if len(n.children) == 0 {
			l.addCall(n, local, remote)
		}
	default:
		if local != "" && remote != "" { // a client that forgot to say so
			l.addCall(n, local, remote)
		}
	}
}

// addCall counts an RPC. Who called is better told by the nearest span above that is not local than by
// the called side's idea of it.
func (l *linker) addCall(n *node, parent, child string) {
	s := n.span
	bad := failed(s)
	if above := n.caller(); above != nil && above.Local.Service != "" {
		name := above.Local.Service
		if s.Kind != span.KindServer && s.Local.Service != "" && name != s.Local.Service {
			l.add(name, s.Local.Service, false) // the span between the two was not traced
		}
		if s.Kind == span.KindServer || parent == "" {
			parent = name
		}
		// The client's half was skipped, but it may know of an error that the server does not.
		bad = bad || above.Kind == span.KindClient && s.Parent == above.ID && failed(above)
	}
	l.add(parent, child, bad)
}

// caller is the nearest span above that has a kind.
func (n *node) caller() *span.Span {
	for p := n.parent; p != nil; p = p.parent {
		if p.span != nil && p.span.Kind != span.KindNone {
			return p.span
		}
	}
	return nil
}

func failed(s *span.Span) bool {
	for i := range s.Tags {
		if s.Tags[i].Key == span.TagError {
			return true
		}
	}
	return false
}
