package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/calltap/calltap/span"
)

// node is a span in the tree of its trace.
type node struct {
	span     *span.Span // nil: stands for a root that is missing
	parent   *node
	children []*node
}

func (n *node) adopt(child *node) {
	child.parent = n
	n.children = append(n.children, child)
}

// sharedKey names a server span that joined its client's id. Several servers may have answered one
// client, so where it ran is part of the name.
type sharedKey struct {
	id span.ID
	at span.Endpoint
}

// tree arranges spans as Zipkin does: the first span without a parent is the root, a shared span hangs
// below the client of the same id, any other below its parent, preferably a shared one that ran in the
// same place; and what has lost its parent hangs below the root. Spans in a circle are not in the tree.
func tree(spans []span.Span) *node {
	spans = merge(spans)
	nodes := make([]*node, len(spans))
	byID, shared := map[span.ID]*node{}, map[sharedKey]*node{}
	var root *node
	for i := range spans {
		s := &spans[i]
		nodes[i] = &node{span: s}
		switch {
		case s.Shared:
			shared[sharedKey{s.ID, s.Local}] = nodes[i]
		case s.Parent == 0 && root == nil:
			root = nodes[i]
			byID[s.ID] = root
		default:
			byID[s.ID] = nodes[i]
		}
	}
	if root == nil {
		root = &node{}
	}
	for _, n := range nodes {
		if n != root {
			parentOf(n.span, root, byID, shared).adopt(n)
		}
	}
	return root
}

func parentOf(s *span.Span, root *node, byID map[span.ID]*node, shared map[sharedKey]*node) *node {
	id := s.Parent
	if s.Shared {
		id = s.ID
	} else if p := shared[sharedKey{s.Parent, s.Local}]; p != nil {
		return p
	}
	if p := byID[id]; p != nil {
		return p
	}
	return root
}

// merge puts spans that were sent in pieces together, and marks servers that share their client's id
// without saying so. The result is sorted by id, clients before servers.
func merge(spans []span.Span) []span.Span {
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b span.Span) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(rank(&a), rank(&b)), compareEndpoints(&a.Local, &b.Local))
	})
	out := sorted[:0]
	said := false // whether the last of out says itself that it is shared
	for _, s := range sorted {
		shared := s.Shared
		if n := len(out); n > 0 && out[n-1].ID == s.ID {
			last := &out[n-1]
			if said == shared && compatible(&last.Local, &s.Local) {
				absorb(last, &s)
				continue
			}
			join(last, &s)
		}
		out, said = append(out, s), shared
	}
	return out
}

// join lets a server learn from its client, which has the same id, what it did not send itself.
func join(client, server *span.Span) {
	if client.Kind == span.KindClient && server.Kind == span.KindServer {
		server.Shared = true
	}
	if server.Shared && server.Parent == 0 {
		server.Parent = client.Parent
	}
}

func rank(s *span.Span) int {
	switch {
	case s.Shared:
		return 2
	case s.Kind == span.KindClient:
		return 0
	}
	return 1
}

func compareEndpoints(a, b *span.Endpoint) int {
	if a.IsZero() || b.IsZero() {
		return cmp.Compare(btoi(!a.IsZero()), btoi(!b.IsZero()))
	}
	return cmp.Or(strings.Compare(a.Service, b.Service), a.IP.Compare(b.IP))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compatible reports whether two endpoints may be one, told in pieces. One host may have an address of
// each family.
func compatible(a, b *span.Endpoint) bool {
	return (a.Service == "" || b.Service == "" || a.Service == b.Service) &&
		(!a.IP.IsValid() || !b.IP.IsValid() || a.IP == b.IP || a.IP.Is4() != b.IP.Is4()) &&
		(a.Port == 0 || b.Port == 0 || a.Port == b.Port)
}

// absorb adds what a further piece of a span knows and the first did not.
func absorb(s, piece *span.Span) {
	s.Kind = cmp.Or(s.Kind, piece.Kind)
	s.Parent = cmp.Or(s.Parent, piece.Parent)
	absorbEndpoint(&s.Local, &piece.Local)
	absorbEndpoint(&s.Remote, &piece.Remote)
	s.Tags = append(slices.Clip(s.Tags), piece.Tags...)
}

func absorbEndpoint(e, piece *span.Endpoint) {
	e.Service = cmp.Or(e.Service, piece.Service)
	e.IP = cmp.Or(e.IP, piece.IP)
	e.Port = cmp.Or(e.Port, piece.Port)
}
