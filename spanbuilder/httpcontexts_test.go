package spanbuilder

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

type headers = map[string][]string

// allFormats reads and clears whatever there is.
var allFormats = NewContexts(ContextsConfig{
	Extract:   []Format{FormatW3C, FormatB3, FormatB3Multi, FormatTomograph, FormatOSProfiler, FormatUber, FormatSW8, FormatDatadog},
	Clear:     []Format{FormatW3C, FormatB3, FormatB3Multi, FormatTomograph, FormatOSProfiler, FormatUber, FormatSW8, FormatDatadog},
	RequestID: true,
})

// ofFormat are good headers of each format, of traces of their own.
var ofFormat = map[Format]headers{
	FormatW3C:       {"Traceparent": {"00-00000000000000000000000000000001-00000000000000a1-01"}, "Tracestate": {"a=b"}},
	FormatB3:        {"B3": {"00000000000000000000000000000002-00000000000000a2-1"}},
	FormatB3Multi:   {"X-B3-Traceid": {"0000000000000003"}, "X-B3-Spanid": {"00000000000000a3"}, "X-B3-Sampled": {"1"}},
	FormatTomograph: {"X-Trace-Info": {pickle("4", "164")}},
	FormatUber:      {"Uber-Trace-Id": {"5:a5:0:1"}},
	FormatSW8:       {"Sw8": {"1-MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA2-c2Vn-3-c3Zj-aQ==-L2U=-YTo4MA=="}, "Sw8-X": {"0-1"}},
	FormatDatadog:   {"X-Datadog-Trace-Id": {"7"}, "X-Datadog-Parent-Id": {"167"}, "X-Datadog-Sampling-Priority": {"1"}},
}

// numberOf are the trace ids in them.
var numberOf = map[Format]uint64{FormatW3C: 1, FormatB3: 2, FormatB3Multi: 3, FormatTomograph: 4, FormatUber: 5, FormatSW8: 6, FormatDatadog: 7}

func allHeaders() headers {
	h := headers{}
	for _, of := range ofFormat {
		maps.Copy(h, of)
	}
	return h
}

func TestFormatsHaveNames(t *testing.T) {
	for f := NoFormat + 1; f < formatCount; f++ {
		back, err := ParseFormat(f.String())
		require.NoError(t, err)
		require.Equal(t, f, back)
		require.NotZero(t, headersOf[f], f)
	}
	for _, bad := range []string{"", "none", "unknown", "W3C", "zipkin"} {
		_, err := ParseFormat(bad)
		require.Error(t, err, bad)
	}
	require.Equal(t, "unknown", formatCount.String())
	require.Len(t, headerNames, 19)
	require.EqualValues(t, 1<<len(headerNames), hasRequestID<<1, "a bit for each name")
	for i, name := range headerNames {
		require.EqualValues(t, 1<<i, bitOf(name))
		require.Less(t, len(name), 64)
	}
}

// The order of the configuration decides, whatever else is there.
func TestTheFirstConfiguredFormatWins(t *testing.T) {
	for format := range ofFormat {
		order := []Format{format}
		for other := range ofFormat {
			if other != format {
				order = append(order, other)
			}
		}
		c := NewContexts(ContextsConfig{Extract: order})
		h := allHeaders()
		in, from, faults := c.Extract(h, c.Look(h))
		require.Equal(t, format, from)
		require.Zero(t, faults)
		require.Equal(t, numberOf[format], in.TraceID.Low, format)
		require.EqualValues(t, 0xa0+in.TraceID.Low, spanOf(format, in), format)
		if format == FormatTomograph {
			require.Equal(t, Defer, in.Decision, "it has none")
		} else {
			require.Equal(t, Accept, in.Decision, format)
		}
	}
}

// spanOf is the caller's span; SkyWalking's are hashed.
func spanOf(f Format, in Context) span.ID {
	if f == FormatSW8 {
		return span.ID(0xa0 + in.TraceID.Low)
	}
	return in.SpanID
}

// Headers that the first format cannot be read from are counted by format, and the next one is tried.
func TestABadFormatYieldsToTheNext(t *testing.T) {
	h := headers{"Traceparent": {"00-junk"}, "Uber-Trace-Id": {"0:0:0:0"}, "Sw8": {"1", "1"}, "X-Datadog-Trace-Id": {"1"},
		"X-Trace-Info": {pickle("1", "x")}, "B3": {trace128 + "-" + spanHex + "-1"}}
	c := NewContexts(ContextsConfig{Extract: []Format{FormatUber, FormatSW8, FormatDatadog, FormatTomograph, FormatW3C, FormatB3}})
	in, from, faults := c.Extract(h, c.Look(h))
	require.Equal(t, FormatB3, from)
	require.Equal(t, id128, in.TraceID)
	require.Equal(t, Faults{FormatUber: ZeroID, FormatSW8: RepeatedField, FormatDatadog: MissingID, FormatTomograph: BadPattern,
		FormatW3C: BadLength}, faults)

	delete(h, "B3")
	in, from, _ = c.Extract(h, c.Look(h))
	require.Equal(t, NoFormat, from)
	require.Zero(t, in)
}

func TestRepeatedHeadersAreNotGuessedAt(t *testing.T) {
	for format, of := range ofFormat {
		for name, v := range of {
			if name == "Tracestate" || name == "Sw8-X" {
				continue
			}
			h := maps.Clone(of)
			h[name] = []string{v[0], v[0]}
			in, from, faults := allFormats.Extract(h, allFormats.Look(h))
			require.Equal(t, NoFormat, from, name)
			require.Zero(t, in, name)
			require.Equal(t, RepeatedField, faults[format], name)
			faults[format] = NoFault
			require.Zero(t, faults, name)
		}
	}
}

// clearAndWrite is Clear, and takes out what the caller then writes in place of what came.
func (c *Contexts) clearAndWrite(h headers, continued Context) {
	c.Clear(h, c.Look(h), continued)
	for f := range c.inject {
		for i, name := range headerNames {
			if c.inject[f] && alwaysWritten[f]>>i&1 != 0 {
				delete(h, name)
			}
		}
	}
}

// A next hop that finds any format beside ours may hang off the wrong parent (envoy #47515).
func TestNothingOfTheCallersSpanIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		config    ContextsConfig
		continued Context
		left      []string
	}{
		"default": {ContextsConfig{}, Context{}, []string{"X-Trace-Info", "Uber-Trace-Id", "Sw8", "Sw8-X",
			"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority"}},
		"continued": {ContextsConfig{}, Context{State: "a=b"}, []string{"Tracestate", "X-Trace-Info", "Uber-Trace-Id", "Sw8", "Sw8-X",
			"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority"}},
		"what is read":      {ContextsConfig{Extract: allFormats.extract}, Context{}, []string{"X-Trace-Info"}},
		"nothing is read":   {ContextsConfig{Extract: []Format{}}, Context{}, []string{"X-Trace-Info", "Uber-Trace-Id", "Sw8", "Sw8-X", "X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority"}},
		"all":               {ContextsConfig{Clear: allFormats.extract}, Context{}, nil},
		"nothing is sent":   {ContextsConfig{Inject: []Format{}}, Context{}, keys(allHeaders())},
		"none, but sent":    {ContextsConfig{Clear: []Format{}, Inject: []Format{FormatB3Multi}}, Context{}, []string{"Traceparent", "Tracestate", "B3", "X-Trace-Info", "Uber-Trace-Id", "Sw8", "Sw8-X", "X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority"}},
		"pickles too":       {ContextsConfig{Extract: []Format{}, Clear: []Format{FormatTomograph}, Inject: []Format{}}, Context{}, without(keys(allHeaders()), "X-Trace-Info")},
		"a list of its own": {ContextsConfig{Extract: []Format{FormatUber}, Clear: []Format{FormatSW8}, Inject: []Format{FormatW3C}}, Context{}, []string{"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled", "X-Trace-Info", "Uber-Trace-Id", "X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Sampling-Priority"}},
	} {
		h := allHeaders()
		h["Baggage"], h["Uberctx-User"], h["Sw8-Correlation"] = []string{"u=1"}, []string{"1"}, []string{"dT0x"}
		x := NewContexts(c.config)
		x.clearAndWrite(h, c.continued)
		require.ElementsMatch(t, append(c.left, "Baggage", "Uberctx-User", "Sw8-Correlation"), keys(h), name)
	}
}

// Tomograph's readers unpickle what they get; OSProfiler's header of the same name is none of their business.
func TestClearingPicklesSparesOSProfiler(t *testing.T) {
	const profiler = "eyJiYXNlX2lkIjogIjExMTExMTExIn0="
	tomograph := NewContexts(ContextsConfig{Clear: []Format{FormatTomograph}, Inject: []Format{}})
	both := NewContexts(ContextsConfig{Clear: []Format{FormatTomograph, FormatOSProfiler}, Inject: []Format{}})
	for value, stays := range map[string]bool{
		profiler:                            true,
		pickle("1", "2"):                    false,
		"Y29zCnN5c3RlbQooUydpZCcKdFIu":      false, // cos\nsystem\n(S'id'\ntR.
		"!eyJ" + profiler:                   false, // Python's decoder skips what is not base64
		"":                                  false,
		"e":                                 false,
		strings.Repeat("A", 1000):           false,
		" " + profiler:                      false,
		"e\x00" + profiler:                  false,
		"eyJ" + strings.Repeat("!", 100):    true, // '{"': no opcode of a pickle
		"eA==" + "Y29zCnN5c3RlbQooUydpZCcK": false,
	} {
		h := headers{"X-Trace-Info": {value}, "X-Trace-Hmac": {"m"}}
		tomograph.clearAndWrite(h, Context{})
		require.Equal(t, stays, h["X-Trace-Info"] != nil, value)
		require.NotNil(t, h["X-Trace-Hmac"])
		both.clearAndWrite(h, Context{})
		require.Empty(t, h)
	}
	h := headers{"X-Trace-Info": {profiler, pickle("1", "2")}}
	tomograph.clearAndWrite(h, Context{})
	require.Empty(t, h)
}

// What was bounded is what goes on; a tracestate of no trace does not.
func TestTheTracestateThatGoesOnIsTheBoundedOne(t *testing.T) {
	for _, x := range []struct {
		lines []string
		state string
		want  headers
	}{
		{[]string{"a=b", strings.Repeat("x", 1000)}, "a=b", headers{"Tracestate": {"a=b"}}},
		{[]string{strings.Repeat("a=b,", 4096)}, "a=b", headers{"Tracestate": {"a=b"}}},
		{[]string{"a=b"}, "", headers{}},
		{nil, "", headers{"Tracestate": nil}},
	} {
		h := headers{"Tracestate": x.lines}
		plain.clearAndWrite(h, Context{State: x.state})
		require.Equal(t, x.want, h)
	}
}

// The quick look must never miss a header that something is to be done about.
func TestLookSeesAllThatMatters(t *testing.T) {
	crowd := headers{}
	for i := range len(headerNames) {
		crowd["X-H-"+strings.Repeat("x", i)] = []string{"v"}
	}
	for _, config := range []ContextsConfig{{}, {RequestID: true}, {Extract: allFormats.extract}, {Clear: allFormats.extract}, {Extract: []Format{FormatSW8}, Inject: []Format{}},
		{Extract: []Format{}, Inject: []Format{}}, {Extract: []Format{}, Clear: []Format{}, Inject: []Format{FormatB3Multi}}} {
		c := NewContexts(config)
		for i, name := range headerNames {
			alone := headers{name: {"v"}}
			require.Equal(t, c.watched>>i&1 != 0, c.Look(alone) != 0, name)
			require.Equal(t, c.watched&(1<<i), c.Look(alone), name)
			in := maps.Clone(crowd)
			in[name] = []string{"v"}
			require.Equal(t, c.watched&(1<<i), c.Look(in), name)
		}
		for _, other := range []string{"", "X", "Accept", "User-Agent", "Connection", "X-Forwarded-For", "Traceparens", strings.Repeat("T", 64), strings.Repeat("X", 5000)} {
			require.Zero(t, c.Look(headers{other: {"v"}}), other)
		}
	}
	require.Zero(t, NewContexts(ContextsConfig{Extract: []Format{}, Inject: []Format{}}).Look(crowd), "nothing is asked")
	require.True(t, allFormats.Look(headers{"X-Openstack-Request-Id": {""}}).HasRequestID())
	require.False(t, allFormats.Look(headers{"B3": {""}}).HasRequestID())
}

// A mesh that writes several formats sends a tracestate for whichever is read.
func TestTracestateGoesOnWithItsTraceWhateverIsRead(t *testing.T) {
	c := NewContexts(ContextsConfig{Extract: []Format{FormatB3, FormatW3C}})
	h := headers{"B3": {trace128 + "-" + spanHex + "-1"}, "Traceparent": {"00-" + trace128 + "-" + otherHex + "-01"}, "Tracestate": {"a=b"}}
	in, from, _ := c.Extract(h, c.Look(h))
	require.Equal(t, FormatB3, from)
	require.Equal(t, "a=b", in.State)
	c.clearAndWrite(h, in)
	require.Equal(t, headers{"Tracestate": {"a=b"}}, h)

	for _, traceparent := range [][]string{nil, {"junk"}, {"00-" + strings.Repeat("1", 32) + "-" + otherHex + "-01"}} {
		h = headers{"B3": {trace128 + "-" + spanHex + "-1"}, "Traceparent": traceparent, "Tracestate": {"a=b"}}
		in, _, _ = c.Extract(h, c.Look(h))
		require.Empty(t, in.State, "of another trace")
		c.clearAndWrite(h, in)
		require.Empty(t, h)
	}
}

// W3C's level 2: the flag goes on with the trace id that it is about, whatever that was read from, and with no other.
func TestTheRandomFlagGoesOnWithItsTrace(t *testing.T) {
	tr := &Tracer{Head: sampling.All}
	for _, x := range []struct{ format, flags, want string }{
		{"w3c", "03", "-03"}, {"w3c", "02", "-02"}, {"w3c", "01", "-01"}, {"w3c", "00", "-00"}, {"w3c", "ff", "-03"},
		{"b3", "03", "-03"}, {"b3", "01", "-01"}, {"b3 of another trace", "03", "-01"},
	} {
		h := headers{"Traceparent": {"00-" + trace128 + "-" + otherHex + "-" + x.flags}}
		switch x.format {
		case "b3":
			h["B3"] = []string{trace128 + "-" + spanHex + "-1"}
		case "b3 of another trace":
			h["B3"] = []string{trace64 + "-" + spanHex + "-1"}
		}
		c := NewContexts(ContextsConfig{Extract: []Format{FormatB3, FormatW3C}})
		in, from, _ := c.Extract(h, c.Look(h))
		require.NotEqual(t, NoFormat, from)
		s := tr.StartServer(in, true, "", false, "shop", tr.Head)
		require.Equal(t, x.want, string(AppendTraceparent(nil, s)[52:]), "%+v", x)
	}
	s := tr.StartServer(Context{}, false, "", false, "shop", tr.Head)
	require.Equal(t, "-01", string(AppendTraceparent(nil, s)[52:]), "older readers refuse a flag that they do not know")
}

// A tracestate says nothing without the traceparent that it belongs to.
func TestWithoutATraceparentNoTracestateGoesOn(t *testing.T) {
	c := NewContexts(ContextsConfig{Inject: []Format{FormatB3}})
	h := headers{"Traceparent": {"00-" + trace128 + "-" + spanHex + "-01"}, "Tracestate": {"a=b"}}
	in, _, _ := c.Extract(h, c.Look(h))
	c.clearAndWrite(h, in)
	require.Empty(t, h)
}

func TestExtractDoesNotAllocate(t *testing.T) {
	for _, h := range []headers{
		allHeaders(),
		{"Traceparent": {"00-junk"}, "B3": {"junk"}, "X-B3-Traceid": {"junk"}, "X-Trace-Info": {pickle("1", "x")}, "Uber-Trace-Id": {"::::"},
			"Sw8": {"1-MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA2-c2Vn-3-c3Zj-aQ==-L2U=-YTo4MA=="}},
		ofFormat[FormatDatadog],
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { allFormats.Extract(h, allFormats.Look(h)) }))
	}
}

// FuzzFormats: headers of any content, in all formats at once, and each behind all that stand before it.
func FuzzFormats(f *testing.F) {
	f.Add("00-"+trace128+"-"+spanHex+"-01", trace128+"-"+spanHex+"-1-"+otherHex, trace128, spanHex, "1", "a=b", pickle("1", "2"), trace64+":"+spanHex+":0:1",
		ofFormat[FormatSW8]["Sw8"][0], "7", "8", "_dd.p.dm=-0,_dd.p.tid=463ac35c9f6413ad")
	f.Add("", strings.Repeat("0", 40), "", "", "", strings.Repeat("a=b,", 200), "KEkxCkwyTAp0cDEKLg==", "%3a", "0-------", "18446744073709551616", "-1", "_dd.p.tid=")
	f.Fuzz(func(t *testing.T, w3c, b3, trace, id, decision, state, info, uber, sw8, ddTrace, ddParent, ddTags string) {
		h := headers{
			"Traceparent": {w3c}, "B3": {b3}, "Tracestate": {state}, "X-B3-Traceid": {trace}, "X-B3-Spanid": {id}, "X-B3-Sampled": {decision},
			"X-B3-Flags": {decision}, "X-Trace-Info": {info}, "Uber-Trace-Id": {uber}, "Sw8": {sw8}, "X-Datadog-Trace-Id": {ddTrace},
			"X-Datadog-Parent-Id": {ddParent}, "X-Datadog-Sampling-Priority": {decision}, "X-Datadog-Tags": {ddTags},
		}
		p := allFormats.Look(h)
		for _, format := range allFormats.extract {
			c, from, faults := allFormats.Extract(h, p)
			if from != NoFormat {
				require.GreaterOrEqual(t, from, format, "those before it are not there")
			}
			for _, fault := range faults {
				require.Less(t, int(fault), NumFaults)
			}
			require.LessOrEqual(t, len(c.State), maxState)
			require.Equal(t, from == NoFormat, c == Context{}, "%v: ids, or a decision", from)
			if c.SpanID == 0 {
				require.True(t, c.TraceID.IsZero() || from == FormatDatadog, "both ids or none, but of Datadog's synthetic tests")
			} else {
				require.False(t, c.TraceID.IsZero())
			}
			if from == FormatTomograph {
				requirePickle(t, info, c.TraceID.Low, c.SpanID)
			}
			p &^= headersOf[format]
		}
		left := maps.Clone(h)
		allFormats.clearAndWrite(left, Context{State: boundState(state)})
		for name := range left {
			require.Equal(t, "Tracestate", name)
		}
	})
}

func requirePickle(t *testing.T, info string, trace uint64, id span.ID) {
	t.Helper()
	for _, a := range []string{"I%d\n", "L%dL\n"} {
		for _, b := range []string{"I%d\n", "L%dL\n"} {
			for _, memo := range []string{"p0", "p1"} {
				if pickleAs(a, b, memo, trace, uint64(id)) == info {
					return
				}
			}
		}
	}
	require.Fail(t, "a pickle that is none of the known", "%q", info)
}

func keys(h headers) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	return names
}

func without(names []string, name string) (rest []string) {
	for _, n := range names {
		if n != name {
			rest = append(rest, n)
		}
	}
	return rest
}
