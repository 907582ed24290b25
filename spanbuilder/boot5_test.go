package spanbuilder

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Five servers are booted at once, all by one compute: the hardest that was captured. Its ComputeNode.save bear no boot's id, and
// the compute is at work on five boots when it sends them. Which of them each belongs to, osprofiler told, which follows threads.
func TestFiveBootsAtOnceOnOneHost(t *testing.T) {
	messages, facts := capture(t, "boot5"), truth(t, "boot5")
	for name, o := range map[string]PairerOptions{
		"firehose alone": {},
		"names known":    {Identify: identified(messages, facts)},
	} {
		got, _ := replay(t, newTracer(t, nil), o, messages)
		s := judge(t, got, facts)
		t.Log(name+":", s)
		require.Equal(t, s.requests, s.linked, "%s: each message is in its own boot's trace", name)
		require.Zero(t, s.stray)
		require.Empty(t, s.sure, "%s: no wrong parent that is not told as a guess", name)
		require.Empty(t, s.wrong, name)
	}
}
