package spanbuilder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestUberTraceIDInTheFormsThatClientsSend(t *testing.T) {
	full := Context{TraceID: span.TraceID{High: 0x4bf92f3577b34da6, Low: 0xa3ce929d0e0e4736}, SpanID: 0x00f067aa0ba902b7, Decision: Accept}
	with := func(c Context, d Decision) Context { c.Decision = d; return c }
	short := Context{TraceID: span.TraceID{Low: 0xabc}, SpanID: 0xd, Decision: Accept}
	for header, want := range map[string]Context{
		"4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1":                       full,
		"4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:1":                         full, // leading zeros left away
		"4bf92f3577b34da6a3ce929d0e0e4736%3Af067aa0ba902b7%3A0%3A1":                   full,
		"4bf92f3577b34da6a3ce929d0e0e4736%3a00f067aa0ba902b7%3a00f067aa0ba902b8%3a01": full,
		"4BF92F3577B34DA6A3CE929D0E0E4736:00F067AA0BA902B7:0:1":                       full,
		"4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:0":                         with(full, Deny),
		"4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:3":                         with(full, Debug),
		"4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:9":                         full, // firehose: sampled
		"abc:d:0:1":                 short,
		"0000000000000000abc:d:0:1": short,
	} {
		c, f := ParseUberTraceID(header)
		require.Equal(t, NoFault, f, header)
		require.Equal(t, want, c, header)
	}
}

func TestUberTraceIDThatLiesInOnePartIsNotTrustedInAnother(t *testing.T) {
	for header, want := range map[string]Fault{
		"": BadLength, "abc": BadLength, "abc:d:0": BadLength, "abc:d::1": BadLength, ":d:0:1": BadLength, "abc::0:1": BadLength,
		"abc:d:0:": BadLength, "abc:d:0:100": BadLength, "abc:d:0:1:1": BadLength,
		strings.Repeat("a", 33) + ":d:0:1": BadLength, "abc:" + strings.Repeat("d", 17) + ":0:1": BadLength,
		strings.Repeat("a", 1<<20): BadLength,
		"abg:d:0:1":                BadHex, "abc:x:0:1": BadHex, "abc:d:-1:1": BadHex, "abc:d:0:x": BadHex, "abc%3ad%3a0%3b1": BadLength, "abc%3": BadLength,
		"0:d:0:1": ZeroID, "abc:0:0:1": ZeroID,
	} {
		c, f := ParseUberTraceID(header)
		require.Equal(t, want, f, header)
		require.Zero(t, c, header)
	}
}

func TestActivityIDInBothOfItsForms(t *testing.T) {
	w3c := Context{TraceID: span.TraceID{High: 0x1e03f9b1b84f3d40, Low: 0xb7087f2633fadd4a}, SpanID: 0x38ac2fc84b035447, Decision: Deny}
	insights := w3c
	insights.Decision = Defer
	traceOnly := insights
	traceOnly.SpanID = 0
	for id, want := range map[string]Context{
		"00-1e03f9b1b84f3d40b7087f2633fadd4a-38ac2fc84b035447-00": w3c,
		"|1e03f9b1b84f3d40b7087f2633fadd4a.38ac2fc84b035447.":     insights,
		"|1e03f9b1b84f3d40b7087f2633fadd4a.38ac2fc84b035447.1_":   insights,
		"|1e03f9b1b84f3d40b7087f2633fadd4a.7.1_2.":                traceOnly,
		"|1e03f9b1b84f3d40b7087f2633fadd4a.":                      traceOnly,
	} {
		c, f := ParseActivityID(id)
		require.Equal(t, NoFault, f, id)
		require.Equal(t, want, c, id)
	}
}

// .NET's own roots are a counter behind random digits: they name the trace, and no span that anybody sent.
func TestActivityIDsOfOneRootAreOneTrace(t *testing.T) {
	a, f := ParseActivityID("|7dba26f1-4a7a1d4f.")
	require.Equal(t, NoFault, f)
	b, _ := ParseActivityID("|7dba26f1-4a7a1d4f.bcec871c_1.2_")
	other, _ := ParseActivityID("|7dba26f1-4a7a1d50.bcec871c_1.2_")
	require.Equal(t, a, b)
	require.NotEqual(t, a.TraceID, other.TraceID)
	require.False(t, a.TraceID.IsZero())
	require.Zero(t, a.SpanID)
	require.Equal(t, Defer, a.Decision)
	for id, want := range map[string]Fault{
		"": BadLength, "|": BadLength, "|.": BadLength, "|abc": BadLength, "junk": BadLength, "|" + strings.Repeat("a.", 1<<19): BadLength,
		"|00000000000000000000000000000000.1.": ZeroID,
	} {
		c, f := ParseActivityID(id)
		require.Equal(t, want, f, id[:min(len(id), 40)])
		require.Zero(t, c)
	}
}

func TestForeignContextsAreReadWithoutAllocation(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ParseUberTraceID("4bf92f3577b34da6a3ce929d0e0e4736%3Af067aa0ba902b7%3A0%3A1")
		ParseActivityID("|7dba26f1-4a7a1d4f.bcec871c_1.2_")
		ParseActivityID("|1e03f9b1b84f3d40b7087f2633fadd4a.38ac2fc84b035447.")
	}))
}

func FuzzUberTraceID(f *testing.F) {
	for _, s := range []string{"4bf92f3577b34da6a3ce929d0e0e4736%3Af067aa0ba902b7%3A0%3A1", "abc:d:0:1", "a:b:c:d:e", "%3a%3A::", "0:0:0:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, fault := ParseUberTraceID(s)
		require.Equal(t, fault == NoFault, !c.TraceID.IsZero())
		require.Equal(t, fault == NoFault, c.SpanID != 0)
		if fault != NoFault {
			return
		}
		again := string(c.TraceID.Append(nil)) + ":" + string(c.SpanID.Append(nil)) + ":0:" + map[Decision]string{Deny: "0", Accept: "1", Debug: "3"}[c.Decision]
		twin, fault := ParseUberTraceID(again)
		require.Equal(t, NoFault, fault)
		require.Equal(t, c, twin)
	})
}

func FuzzActivityID(f *testing.F) {
	for _, s := range []string{"|1e03f9b1b84f3d40b7087f2633fadd4a.38ac2fc84b035447.1_", "|a.", "00-1e03f9b1b84f3d40b7087f2633fadd4a-38ac2fc84b035447-00", "||.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, fault := ParseActivityID(s)
		require.Equal(t, fault == NoFault, !c.TraceID.IsZero())
		if len(s) > maxActivityID {
			require.NotEqual(t, NoFault, fault)
		}
	})
}
