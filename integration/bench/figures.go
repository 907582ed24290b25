package main

import (
	"fmt"
	"io"
)

// figure is one measured number beside what the project promised of it.
type figure struct {
	group string // http, inproc, rules, rpc, broker, memory
	name  string
	value float64
	unit  string
	goal  goal
	note  string // interval, sample size, or why the number is to be read with care
}

// goal is a bound that a figure has to keep. The zero goal promises nothing.
type goal struct {
	atLeast bool
	limit   float64
	aim     string // the further goal, printed only
	set     bool
}

func atLeast(limit float64, aim string) goal {
	return goal{atLeast: true, limit: limit, aim: aim, set: true}
}
func atMost(limit float64, aim string) goal { return goal{limit: limit, aim: aim, set: true} }

func (g goal) String() string {
	if !g.set {
		return "-"
	}
	op := "<="
	if g.atLeast {
		op = ">="
	}
	s := fmt.Sprintf("%s %g", op, g.limit)
	if g.aim != "" {
		s += " (" + g.aim + ")"
	}
	return s
}

// verdict is pass, miss, or - where nothing was promised. It judges the measured value as it is,
// so a value within the noise of its bound may fall on either side: read the interval too.
func (f figure) verdict() string {
	switch {
	case !f.goal.set:
		return "-"
	case f.goal.atLeast == (f.value >= f.goal.limit) || f.value == f.goal.limit:
		return "pass"
	default:
		return "miss"
	}
}

// board prints each figure as soon as it is known.
type board struct {
	out    io.Writer
	header bool
}

func (b *board) add(f figure) {
	if !b.header {
		b.header = true
		b.line("group", "figure", "value", "unit", "goal", "", "note")
	}
	b.line(f.group, f.name, number(f.value), f.unit, f.goal.String(), f.verdict(), f.note)
}

// remark prints a line that is no figure: a check that held, or a part that was left out.
func (b *board) remark(group, format string, args ...any) {
	fmt.Fprintf(b.out, "%-7s # %s\n", group, fmt.Sprintf(format, args...))
}

func (b *board) line(group, name, value, unit, goal, verdict, note string) {
	fmt.Fprintf(b.out, "%-7s %-68s %11s %-10s %-16s %-5s %s\n", group, name, value, unit, goal, verdict, note)
}

// number prints three to four significant digits without an exponent.
func number(v float64) string {
	switch {
	case v >= 1000 || v <= -1000 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
