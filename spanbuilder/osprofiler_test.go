package spanbuilder

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func TestProfilerBaseNamesATraceAndNoSpan(t *testing.T) {
	c, f := ParseProfilerBase("d5bfe8f6-6840-4a47-b89b-336b83cbf199")
	require.Equal(t, NoFault, f)
	require.Equal(t, Context{TraceID: span.TraceID{High: 0xd5bfe8f668404a47, Low: 0xb89b336b83cbf199}}, c)
	for base, want := range map[string]Fault{
		"": BadLength, "d5bfe8f668404a47b89b336b83cbf199": BadLength, "d5bfe8f6-6840-4a47-b89b-336b83cbf199 ": BadLength,
		"D5BFE8F6-6840-4A47-B89B-336B83CBF199": BadHex, "d5bfe8f6x6840-4a47-b89b-336b83cbf199": BadHex,
		"00000000-0000-0000-0000-000000000000": BadHex,
	} {
		c, f := ParseProfilerBase(base)
		require.Equal(t, want, f, base)
		require.Zero(t, c)
	}
}
