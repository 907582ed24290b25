package spanbuilder

import (
	"strings"

	"github.com/calltap/calltap/span"
)

// maxActivityID bounds .NET's hierarchical ids, which .NET itself keeps below 1024 bytes.
const maxActivityID = 1024

// ParseActivityID reads the id of a .NET System.Diagnostics.Activity, as MassTransit sends it in MT-Activity-Id: in W3C form, that is as
// a traceparent, or in the older hierarchical form
// (https://github.com/dotnet/runtime/blob/main/src/libraries/System.Diagnostics.DiagnosticSource/src/HierarchicalRequestId.md):
//
//	|ROOT.NODE.NODE_
//
// Where ROOT is a trace id of 32 hex digits it is kept, and with it the node behind it if that is a span id of 16, as Application
// Insights writes them. Any other root, such as 7dba26f1-4a7a1d4f, names its trace by hash and no span.
func ParseActivityID(s string) (Context, Fault) {
	if s == "" || s[0] != '|' {
		return ParseTraceparent(s)
	}
	if len(s) > maxActivityID {
		return Context{}, BadLength
	}
	root, nodes, ok := strings.Cut(s[1:], ".")
	if !ok || root == "" {
		return Context{}, BadLength
	}
	if len(root) != 32 {
		return Context{TraceID: rootTrace(root)}, NoFault
	}
	high, ok1 := parseHex(root[:16], true)
	low, ok2 := parseHex(root[16:], true)
	if !ok1 || !ok2 {
		return Context{TraceID: rootTrace(root)}, NoFault
	}
	c := Context{TraceID: span.TraceID{High: high, Low: low}}
	if c.TraceID.IsZero() {
		return Context{}, ZeroID
	}
	if len(nodes) > 16 && (nodes[16] == '.' || nodes[16] == '_') {
		if id, ok := parseHex(nodes[:16], true); ok {
			c.SpanID = span.ID(id)
		}
	}
	return c, NoFault
}

// rootTrace is the trace of a root that is no trace id.
func rootTrace(root string) span.TraceID {
	var h hasher
	h.text(root)
	k := h.sum()
	return k.trace()
}
