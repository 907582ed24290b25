package spanbuilder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/span"
)

func TestArgsHoldWhatWasAppended(t *testing.T) {
	var b []byte
	require.Empty(t, Args(b).Get("a"))
	b = AppendArg(b, "a", "1")
	b = AppendArg(b, "b", "")
	b = AppendArg(b, "", "nameless")
	b = AppendArg(b, "n\x00", "cut")
	b = AppendArg(b, "c", "x\x00a\x00y")
	require.Equal(t, "a\x001\x00b\x00\x00c\x00x\x00", string(b))
	require.Equal(t, "1", Args(b).Get("a"))
	require.Equal(t, "x", Args(b).Get("c"))
	require.Empty(t, Args(b).Get("1"))
	require.Equal(t, "2", Args(AppendArg(b, "a", "2")).Get("a"), "the last counts, as in JSON")
	for range 100 {
		b = AppendArg(b, "k", strings.Repeat("ä", 1000))
	}
	require.LessOrEqual(t, len(b), maxArgs)
	require.Equal(t, strings.Repeat("ä", maxArg/2), Args(b).Get("k"))
	require.Empty(t, Args("no end").Get("no"), "broken text is read as far as it goes")
}

// Two calls of one method with other arguments may have other keys.
func TestCallsWithOtherArgumentsAreOtherCalls(t *testing.T) {
	c := routeCache{}
	buf := AppendArg(nil, "objname", "Instance")
	one := c.get(&Message{Method: "m", Args: Args(buf)})
	require.NotSame(t, one, c.get(&Message{Method: "m"}))
	require.Same(t, one, c.get(&Message{Method: "m", Args: Args("objname\x00Instance\x00")}))
	require.Equal(t, "Instance", one.args.Get("objname"))
}

func TestWhatARuleGivesIsOnTheSpan(t *testing.T) {
	require.Nil(t, extraOf(&keyrules.Result{Key: "k"}))
	x := extraOf(&keyrules.Result{Category: "write", Tags: []keyrules.Tag{{Name: "t", Value: "v"}}, Notes: []string{"n"}})
	s := span.Span{Kind: span.KindClient, Start: 7, Tags: []span.Tag{{Key: "rpc.method", Value: "m"}}}
	x.add(&s)
	require.Equal(t, []span.Tag{{Key: "rpc.method", Value: "m"}, {Key: CategoryTag, Value: "write"}, {Key: "t", Value: "v"}}, s.Tags)
	require.Equal(t, []span.Note{{Time: 7, Value: "n"}}, s.Notes)
	s = span.Span{Kind: span.KindClient, Start: 7, Tags: []span.Tag{{Key: "t", Value: "ours"}}}
	x.add(&s)
	require.Equal(t, []span.Tag{{Key: "t", Value: "v"}, {Key: CategoryTag, Value: "write"}}, s.Tags, "each tag once")
	s = span.Span{Kind: span.KindServer, Start: 7}
	x.add(&s)
	require.Len(t, s.Tags, 2)
	require.Empty(t, s.Notes, "a call counts once")
}
