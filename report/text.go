package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/openzipkin/zipkin-go/model"
)

const (
	maxIndent = 64  // levels that are drawn; deeper ones are numbered
	maxText   = 200 // characters of one name
	keyTag    = "calltap.key"
)

// WriteTree prints one trace as a tree.
func WriteTree(w io.Writer, t Trace) error {
	roots, all := buildTree(t.Spans)
	out := bufio.NewWriter(w)
	if len(all) == 0 {
		fmt.Fprintf(out, "no spans%s\n", badNote(t.Bad))
		return out.Flush()
	}
	begin, length := extent(all)
	services, errors := count(all)
	fmt.Fprintf(out, "trace %s  %s, %s, %s, %s ms, began %s%s\n\n",
		all[0].TraceID, plural(len(all), "span"), plural(services, "service"), plural(errors, "error"),
		millis(length), when(begin), badNote(t.Bad))
	fmt.Fprintf(out, "%10s %10s  SPAN\n", "START ms", "LENGTH ms")
	writeNodes(out, roots, begin)
	return out.Flush()
}

// branch is a node that waits to be printed, and where.
type branch struct {
	*node
	prefix string // lines of the levels above
	depth  int
	last   bool // of its parent's children
}

// writeNodes prints the trees below roots, depth first, without recursion.
func writeNodes(out *bufio.Writer, roots []*node, begin time.Time) {
	var stack []branch
	for i := len(roots) - 1; i >= 0; i-- {
		stack = append(stack, branch{node: roots[i]})
	}
	for len(stack) > 0 {
		b := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		writeNode(out, b, begin)
		prefix := b.below()
		for i := len(b.children) - 1; i >= 0; i-- {
			stack = append(stack, branch{b.children[i], prefix, b.depth + 1, i == len(b.children)-1})
		}
	}
}

// below is the prefix of b's children. It stops growing, or a deep trace would print as a square.
func (b branch) below() string {
	switch {
	case b.depth == 0 || b.depth > maxIndent:
		return b.prefix
	case b.last:
		return b.prefix + "   "
	default:
		return b.prefix + "│  "
	}
}

func (b branch) indent() string {
	switch {
	case b.depth == 0:
		return ""
	case b.depth > maxIndent:
		return fmt.Sprintf("%s└─(%d) ", b.prefix, b.depth)
	case b.last:
		return b.prefix + "└─ "
	default:
		return b.prefix + "├─ "
	}
}

// writeNode prints one line: times, place, service, kind, name, key, marks.
func writeNode(out *bufio.Writer, b branch, begin time.Time) {
	start, length := "-", "-"
	if !b.Timestamp.IsZero() {
		start = millis(b.Timestamp.Sub(begin))
	}
	if b.Duration > 0 {
		length = millis(b.Duration)
	}
	fmt.Fprintf(out, "%10s %10s  %s%s", start, length, b.indent(), Printable(serviceOf(b.SpanModel)))
	if b.Kind != model.Undetermined {
		fmt.Fprintf(out, " %s", Printable(string(b.Kind)))
	}
	if b.Name != "" {
		fmt.Fprintf(out, " %s", Printable(b.Name))
	}
	if key := b.Tags[keyTag]; key != "" {
		fmt.Fprintf(out, "  [%s]", Printable(key))
	}
	if text, failed := errorOf(b.SpanModel); failed {
		fmt.Fprint(out, "  ", strings.TrimRight("ERROR "+Printable(text), " "))
	}
	if marks := b.marks(); marks != "" {
		fmt.Fprintf(out, "  (%s)", marks)
	}
	out.WriteByte('\n')
}

func (n *node) marks() string {
	var marks []string
	if n.mark != "" {
		marks = append(marks, n.mark)
	}
	if incomplete(n.SpanModel) {
		marks = append(marks, "incomplete")
	}
	return strings.Join(marks, ", ")
}

func serviceOf(s *model.SpanModel) string {
	if s.LocalEndpoint == nil || s.LocalEndpoint.ServiceName == "" {
		return "unknown"
	}
	return s.LocalEndpoint.ServiceName
}

// count returns the number of services and of spans that failed.
func count(all []*node) (services, errors int) {
	names := make(map[string]bool)
	for _, n := range all {
		if name := service(n); name != "" {
			names[name] = true
		}
		if _, failed := errorOf(n.SpanModel); failed {
			errors++
		}
	}
	return len(names), errors
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d.Microseconds())/1000)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func badNote(bad int) string {
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf(", %s unreadable", plural(bad, "span"))
}

// Printable makes s safe for a terminal: what is no graphic character, and what reorders text, becomes
// "?", and the end of a long text "…".
func Printable(s string) string {
	n := 0
	clean := true
	for i, r := range s {
		if n++; n > maxText {
			s, clean = s[:i]+"…", false
			break
		}
		if !isPlain(r, s[i:]) {
			clean = false
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// isPlain reports whether r, with which rest begins, may be printed. unicode.IsPrint leaves out
// controls, line separators and the marks that change the direction of text.
func isPlain(r rune, rest string) bool {
	if r == utf8.RuneError {
		_, size := utf8.DecodeRuneInString(rest)
		return size > 1
	}
	return unicode.IsPrint(r)
}
