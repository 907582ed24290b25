package spanbuilder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

const (
	trace128 = "463ac35c9f6413ad48485a3953bb6124"
	trace64  = "48485a3953bb6124"
	spanHex  = "a2fb4a1d1a96d312"
	otherHex = "0020000000000001"
)

var (
	id128 = span.TraceID{High: 0x463ac35c9f6413ad, Low: 0x48485a3953bb6124}
	id64  = span.TraceID{Low: 0x48485a3953bb6124}
)

const idSpan span.ID = 0xa2fb4a1d1a96d312

var plain = NewContexts(ContextsConfig{})

// extract is what the default reads, and the first fault of it.
func extract(h map[string][]string) (Context, bool, Fault) {
	c, from, faults := plain.Extract(h, plain.Look(h))
	for _, f := range faults {
		if f != NoFault {
			return c, from != NoFormat, f
		}
	}
	return c, from != NoFormat, NoFault
}

func TestTraceparent(t *testing.T) {
	good := "00-" + trace128 + "-" + spanHex
	for in, want := range map[string]Context{
		good + "-01":                 {Decision: Accept},
		good + "-00":                 {Decision: Deny},
		good + "-03":                 {Decision: Accept, Random: true},
		good + "-02":                 {Decision: Deny, Random: true},
		good + "-fd":                 {Decision: Accept}, // other flags are nobody's yet
		good + "-fe":                 {Decision: Deny, Random: true},
		"cc" + good[2:] + "-01":      {Decision: Accept},
		"cc" + good[2:] + "-01-more": {Decision: Accept}, // what a later version adds
	} {
		want.TraceID, want.SpanID = id128, idSpan
		c, fault := ParseTraceparent(in)
		require.Equal(t, NoFault, fault, in)
		require.Equal(t, want, c, in)
	}
	for in, want := range map[string]Fault{
		"":                            BadLength,
		"00":                          BadLength,
		good:                          BadLength,
		good + "-0":                   BadLength,
		good + "-01-":                 BadLength, // version 00 ends here
		good + "-011":                 BadLength,
		"cc" + good[2:] + "-011":      BadLength,
		"ff" + good[2:] + "-01":       BadVersion,
		"0x" + good[2:] + "-01":       BadVersion,
		strings.ToUpper(good) + "-01": BadHex,
		good + "-0G":                  BadHex,
		"00-" + strings.Repeat("0", 32) + "-" + spanHex + "-01":              ZeroID,
		"00-" + trace128 + "-" + strings.Repeat("0", 16) + "-01":             ZeroID,
		"00_" + trace128 + "_" + spanHex + "_01":                             BadLength,
		"00-" + strings.Repeat("é", 16) + "-" + spanHex + "-01":              BadHex,
		"00-" + trace128 + "-" + spanHex + "-01" + strings.Repeat("x", 9999): BadLength,
	} {
		c, fault := ParseTraceparent(in)
		require.Equal(t, want, fault, in)
		require.Zero(t, c, in)
	}
}

func TestB3Single(t *testing.T) {
	for in, want := range map[string]Context{
		trace128 + "-" + spanHex:                     {TraceID: id128, SpanID: idSpan},
		trace64 + "-" + spanHex:                      {TraceID: id64, SpanID: idSpan},
		trace128 + "-" + spanHex + "-1":              {TraceID: id128, SpanID: idSpan, Decision: Accept},
		trace128 + "-" + spanHex + "-0":              {TraceID: id128, SpanID: idSpan, Decision: Deny},
		trace128 + "-" + spanHex + "-d":              {TraceID: id128, SpanID: idSpan, Decision: Debug},
		trace64 + "-" + spanHex + "-1-" + otherHex:   {TraceID: id64, SpanID: idSpan, Decision: Accept},
		trace128 + "-" + spanHex + "-" + otherHex:    {TraceID: id128, SpanID: idSpan}, // as Brave writes it of a child nobody has decided about
		strings.ToUpper(trace128+"-"+spanHex) + "-1": {TraceID: id128, SpanID: idSpan, Decision: Accept},
		"0": {Decision: Deny},
		"1": {Decision: Accept},
		"d": {Decision: Debug},
	} {
		c, fault := ParseB3(in)
		require.Equal(t, NoFault, fault, in)
		require.Equal(t, want, c, in)
	}
	for in, want := range map[string]Fault{
		"":                               BadLength,
		"2":                              BadDecision,
		"-":                              BadDecision,
		"11":                             BadLength,
		trace128 + "-" + spanHex + "-":   BadLength,
		trace128 + "-" + spanHex + "-2":  BadDecision,
		trace128 + "-" + spanHex + "_1":  BadDecision,
		trace128 + "-" + spanHex + "-1-": BadLength,
		trace128 + "-" + spanHex + "--" + otherHex[1:]:   BadHex,
		trace128 + "-" + spanHex + "_" + otherHex:        BadLength,
		trace128 + "-" + spanHex + "-1_" + otherHex:      BadLength,
		trace128 + "-" + spanHex + "-1-002000000000000x": BadHex,
		trace128 + "-" + spanHex[:15]:                    BadLength,
		trace128[:31] + "-" + spanHex:                    BadLength,
		"x" + trace128[1:] + "-" + spanHex:               BadHex,
		strings.Repeat("0", 32) + "-" + spanHex:          ZeroID,
		trace128 + "-" + strings.Repeat("0", 16):         ZeroID,
	} {
		c, fault := ParseB3(in)
		require.Equal(t, want, fault, in)
		require.Zero(t, c, in)
	}
}

// zipkin-go's parser panics on such lengths; see ParseB3's callers, which take them from anyone.
func TestB3SingleOfEveryLengthIsSafe(t *testing.T) {
	whole := trace128 + "-" + spanHex + "-1-" + otherHex
	for _, fill := range []string{"0", "a", "-", "d", "\x00", "\xff", whole} {
		for n := range 200 {
			in := strings.Repeat(fill, n/len(fill)+1)[:n]
			c, fault := ParseB3(in)
			if fault == NoFault {
				require.True(t, c.SpanID != 0 || c.Decision != Defer, in)
			} else {
				require.Zero(t, c, in)
			}
		}
	}
	for n := range len(whole) {
		_, fault := ParseB3(whole[:n])
		ok := n == 49 || n == 51 // ids; ids and decision
		require.Equal(t, ok, fault == NoFault, "%d", n)
	}
}

func TestB3Multi(t *testing.T) {
	type headers = map[string][]string
	both := headers{"X-B3-Traceid": {trace128}, "X-B3-Spanid": {spanHex}}
	with := func(h headers, more ...string) headers {
		r := headers{}
		for k, v := range h {
			r[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			r[more[i]] = []string{more[i+1]}
		}
		return r
	}
	for _, c := range []struct {
		name  string
		in    headers
		want  Context
		ok    bool
		fault Fault
	}{
		{"nothing", headers{}, Context{}, false, NoFault},
		{"ids", both, Context{TraceID: id128, SpanID: idSpan}, true, NoFault},
		{"parent is of no use", with(both, "X-B3-Parentspanid", "junk"), Context{TraceID: id128, SpanID: idSpan}, true, NoFault},
		{"sampled", with(both, "X-B3-Sampled", "1"), Context{TraceID: id128, SpanID: idSpan, Decision: Accept}, true, NoFault},
		{"true", with(both, "X-B3-Sampled", "true"), Context{TraceID: id128, SpanID: idSpan, Decision: Accept}, true, NoFault},
		{"True", with(both, "X-B3-Sampled", "True"), Context{TraceID: id128, SpanID: idSpan, Decision: Accept}, true, NoFault},
		{"False", with(both, "X-B3-Sampled", "False"), Context{TraceID: id128, SpanID: idSpan, Decision: Deny}, true, NoFault},
		{"not sampled", with(both, "X-B3-Sampled", "0"), Context{TraceID: id128, SpanID: idSpan, Decision: Deny}, true, NoFault},
		{"debug", with(both, "X-B3-Flags", "1"), Context{TraceID: id128, SpanID: idSpan, Decision: Debug}, true, NoFault},
		{"debug beats not sampled", with(both, "X-B3-Flags", "1", "X-B3-Sampled", "0"), Context{TraceID: id128, SpanID: idSpan, Decision: Debug}, true, NoFault},
		{"other flags", with(both, "X-B3-Flags", "2"), Context{TraceID: id128, SpanID: idSpan}, true, NoFault},
		{"decision alone", headers{"X-B3-Sampled": {"0"}}, Context{Decision: Deny}, true, NoFault},
		{"junk decision", with(both, "X-B3-Sampled", "maybe"), Context{TraceID: id128, SpanID: idSpan}, true, BadDecision},
		{"trace alone", headers{"X-B3-Traceid": {trace128}, "X-B3-Sampled": {"1"}}, Context{}, false, MissingID},
		{"span alone", headers{"X-B3-Spanid": {spanHex}}, Context{}, false, MissingID},
		{"bad trace", with(both, "X-B3-Traceid", "xyz"), Context{}, false, BadLength},
		{"zero span", with(both, "X-B3-Spanid", strings.Repeat("0", 16)), Context{}, false, ZeroID},
		{"64-bit trace", with(both, "X-B3-Traceid", trace64), Context{TraceID: id64, SpanID: idSpan}, true, NoFault},
	} {
		got, ok, fault := extract(c.in)
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, c.ok, ok, c.name)
		require.Equal(t, c.fault, fault, c.name)
	}
}

func TestTheFirstValidHeaderWins(t *testing.T) {
	const w3cTrace = "11111111111111112222222222222222"
	h := map[string][]string{
		"Traceparent":  {"00-" + w3cTrace + "-" + otherHex + "-01"},
		"Tracestate":   {"a=b"},
		"B3":           {trace128 + "-" + spanHex + "-d"},
		"X-B3-Traceid": {trace64}, "X-B3-Spanid": {spanHex}, "X-B3-Sampled": {"0"},
	}
	c, ok, _ := extract(h)
	require.True(t, ok)
	require.Equal(t, w3cTrace, c.TraceID.String())
	require.Equal(t, "a=b", c.State)

	h["Traceparent"] = []string{"00-junk"}
	c, ok, fault := extract(h)
	require.True(t, ok)
	require.Equal(t, Context{TraceID: id128, SpanID: idSpan, Decision: Debug}, c)
	require.Equal(t, BadLength, fault, "the junk is counted though a later header was good")

	h["B3"] = []string{h["B3"][0], h["B3"][0]}
	c, ok, _ = extract(h)
	require.True(t, ok)
	require.Equal(t, Context{TraceID: id64, SpanID: idSpan, Decision: Deny}, c)
}

func TestExtractFromATable(t *testing.T) {
	table := map[string]string{}
	get := func(name string) (string, bool) {
		for k, v := range table {
			if strings.EqualFold(k, name) {
				return v, true
			}
		}
		return "", false
	}
	_, ok, fault := ExtractFunc(get)
	require.False(t, ok)
	require.Equal(t, NoFault, fault)

	table["X-B3-TraceId"], table["x-b3-spanid"], table["X-B3-SAMPLED"] = trace128, spanHex, "1"
	c, ok, _ := ExtractFunc(get)
	require.True(t, ok)
	require.Equal(t, Context{TraceID: id128, SpanID: idSpan, Decision: Accept}, c)

	table["b3"] = trace64 + "-" + spanHex
	c, _, _ = ExtractFunc(get)
	require.Equal(t, id64, c.TraceID)

	table["TraceParent"], table["TraceState"] = "00-"+trace128+"-"+spanHex+"-00", "x=y"
	c, _, _ = ExtractFunc(get)
	require.Equal(t, Context{TraceID: id128, SpanID: idSpan, Decision: Deny, State: "x=y"}, c)

	table["traceparent"] = "junk"
	delete(table, "TraceParent")
	c, ok, fault = ExtractFunc(get)
	require.True(t, ok)
	require.Equal(t, id64, c.TraceID)
	require.Equal(t, BadLength, fault)
}

func TestWhatIsAppendedIsReadBack(t *testing.T) {
	for _, s := range []Server{
		{TraceID: id128, ID: idSpan, Sampled: true},
		{TraceID: id128, ID: idSpan, Parent: 7},
		{TraceID: id128, ID: idSpan, Sampled: true, Random: true},
		{TraceID: id128, ID: idSpan, Random: true},
		{TraceID: id64, ID: idSpan, Parent: 7, Sampled: true, Debug: true},
		{TraceID: id64, ID: idSpan},
	} {
		w := AppendTraceparent(nil, s)
		require.Len(t, w, TraceparentLen)
		c, fault := ParseTraceparent(string(w))
		require.Equal(t, NoFault, fault)
		require.Equal(t, s.TraceID, c.TraceID)
		require.Equal(t, s.ID, c.SpanID)
		require.Equal(t, s.Sampled, c.Decision == Accept)
		require.Equal(t, s.Random, c.Random)

		b := AppendB3(nil, s)
		require.LessOrEqual(t, len(b), B3MaxLen)
		c, fault = ParseB3(string(b))
		require.Equal(t, NoFault, fault, string(b))
		require.Equal(t, s.TraceID, c.TraceID)
		require.Equal(t, s.ID, c.SpanID)
		require.Equal(t, s.Debug, c.Decision == Debug)
		require.Equal(t, s.Parent != 0, strings.Count(string(b), "-") == 3)
		require.Equal(t, string(b), string(AppendB3Beside(nil, string(w), &s)))
	}
	require.Equal(t, trace64+"-"+spanHex+"-1", string(AppendB3(nil, Server{TraceID: id64, ID: idSpan, Sampled: true})))
}

func TestRequestID(t *testing.T) {
	const good = "req-463ac35c-9f64-13ad-4848-5a3953bb6124"
	id, ok := ParseRequestID(good)
	require.True(t, ok)
	require.Equal(t, id128, id)
	require.Equal(t, good, string(AppendRequestID(nil, id128)))
	for _, bad := range []string{
		"", "req-", good[4:], good + "0", good[:39], strings.ToUpper(good), "REQ-" + good[4:], " " + good[:39],
		"req-463ac35c-9f64-13ad-4848-5a3953bb612g", "req-463ac35c09f64-13ad-4848-5a3953bb6124",
		"req-00000000-0000-0000-0000-000000000000", "req-" + trace128 + "0000", "req-463ac35c-9f64-13ad-4848-5a3953bb612\n",
	} {
		_, ok := ParseRequestID(bad)
		require.False(t, ok, bad)
	}
}

func FuzzParseRequestID(f *testing.F) {
	f.Add("req-463ac35c-9f64-13ad-4848-5a3953bb6124")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ParseRequestID(s); ok {
			require.Equal(t, s, string(AppendRequestID(nil, id)))
			require.False(t, id.IsZero())
		}
	})
}
