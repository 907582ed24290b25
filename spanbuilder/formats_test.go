package spanbuilder

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// pickle is Tomograph's header of two ids, which may be no numbers.
func pickle(trace, id string) string { return b64("(I" + trace + "\nI" + id + "\ntp0\n.") }

func pickleAs(a, b, memo string, trace, id uint64) string {
	return b64(fmt.Sprintf("("+a+b+"t"+memo+"\n.", trace, id))
}

func TestTomograph(t *testing.T) {
	for in, want := range map[string]Context{
		"KEkyOTA4NjE3NjAwNTAzNTEKSTc5MTE0OTQzOTUzNTM3MjYKdHAwCi4=": {TraceID: span.TraceID{Low: 290861760050351}, SpanID: 7911494395353726}, // as the library sends it
		b64("(L9007199254740992L\nI1\ntp1\n."):                     {TraceID: span.TraceID{Low: 1 << 53}, SpanID: 1},
		pickle("9223372036854775807", "9223372036854775807"):       {TraceID: span.TraceID{Low: 1<<63 - 1}, SpanID: 1<<63 - 1},
	} {
		c, fault := ParseTomograph(in)
		require.Equal(t, NoFault, fault, in)
		require.Equal(t, want, c, in)
	}
	for in, want := range map[string]Fault{
		"":                                  BadLength,
		strings.Repeat("A", 73):             BadLength,
		strings.Repeat("A", 1<<20):          BadLength,
		pickle("0", "11"):                   ZeroID,
		pickle("11", "0"):                   ZeroID,
		pickle("01", "1"):                   BadPattern,
		pickle("-1", "1"):                   BadPattern,
		pickle("1", "1.0"):                  BadPattern,
		pickle("", "123"):                   BadPattern,
		pickle("9223372036854775808", "1"):  BadPattern,
		pickle("99999999999999999999", "1"): BadPattern,
		b64("(I1\nI2\nI3\ntp0\n."):          BadPattern,
		b64("(I1\nI2\ntp0\n.."):             BadPattern,
		b64("(I1\nI2\ntp2\n.padding"):       BadPattern,
		b64("(I1\nI2\nt.______"):            BadPattern,
		b64("(L1\nI2\ntp0\n.__"):            BadPattern,
		b64("(I01\nI2\ntp0\n."):             BadPattern, // a bool
		b64("cos\nsystem\n(S'id'\ntR."):     BadPattern,
		b64("(cos\nsystem\nS'id'\nR."):      BadPattern,
		b64("\x80\x02J\x01\x00\x00\x00J\x02\x00\x00\x00\x86q\x00."): BadPattern, // protocol 2
		b64("[I1\nI2\ntp0\n.__"):                                    BadPattern,
		strings.TrimRight(pickle("12", "1"), "=") + "!!!!":          BadPattern,
		"KEk0Ck\rk0CnRwMAou":                                        BadPattern, // Go's decoder skips the newline
		strings.Repeat("!", 40):                                     BadPattern,
	} {
		c, fault := ParseTomograph(in)
		require.Equal(t, want, fault, in)
		require.Zero(t, c, in)
	}
}

// No pickle but the pattern passes: each single byte of it changed is refused, or is another id.
func TestTomographByteByByte(t *testing.T) {
	const good = "(I290861760050351\nI7911494395353726\ntp0\n."
	for i := range len(good) {
		for b := range 256 {
			changed := good[:i] + string([]byte{byte(b)}) + good[i+1:]
			c, fault := ParseTomograph(b64(changed))
			if fault == NoFault {
				requirePickle(t, b64(changed), c.TraceID.Low, c.SpanID)
			}
		}
	}
}

func TestSW8(t *testing.T) {
	rest := "-" + b64("shop") + "-" + b64("shop@10.0.0.1") + "-" + b64("/buy") + "-" + b64("10.0.0.2:80")
	const uuid = "463ac35c-9f64-13ad-4848-5a3953bb6124"
	in := func(sampled, trace, segment, number string) string {
		return sampled + "-" + b64(trace) + "-" + b64(segment) + "-" + number + rest
	}
	c, fault := ParseSW8(in("1", uuid, "seg", "3"))
	require.Equal(t, NoFault, fault)
	require.Equal(t, id128, c.TraceID)
	require.Equal(t, Accept, c.Decision)
	require.NotZero(t, c.SpanID)

	again, _ := ParseSW8(in("1", strings.ToUpper(strings.ReplaceAll(uuid, "-", "")), "seg", "3"))
	require.Equal(t, c, again, "the same trace and the same span")
	other, _ := ParseSW8(in("0", uuid, "seg", "4"))
	require.Equal(t, id128, other.TraceID)
	require.Equal(t, Deny, other.Decision)
	require.NotEqual(t, c.SpanID, other.SpanID, "another span of the segment")
	other, _ = ParseSW8(in("1", uuid, "se", "g3"))
	require.Zero(t, other)

	// what the Java agent makes: a process's UUID, a thread, a time and a sequence
	java, fault := ParseSW8(in("1", "463ac35c9f6413ad48485a3953bb6124.44.16057766213240001", "463ac35c9f6413ad48485a3953bb6124.44.16057766213240000", "0"))
	require.Equal(t, NoFault, fault)
	require.NotEqual(t, id128, java.TraceID, "the process is not the trace")
	next, _ := ParseSW8(in("1", "463ac35c9f6413ad48485a3953bb6124.44.16057766213240003", "463ac35c9f6413ad48485a3953bb6124.44.16057766213240000", "0"))
	require.NotEqual(t, java.TraceID, next.TraceID)
	require.Equal(t, java.SpanID, next.SpanID)

	good := in("1", uuid, "seg", "3")
	for bad, want := range map[string]Fault{
		"":                          BadLength,
		"1":                         BadLength,
		"-------":                   BadPattern,
		good + "-":                  BadPattern,
		good[:len(good)-9]:          BadPattern,
		in("2", uuid, "seg", "3"):   BadDecision,
		in("", uuid, "seg", "3"):    BadDecision,
		in("1", "", "seg", "3"):     BadPattern,
		in("1", uuid, "", "3"):      BadPattern,
		in("1", uuid, "seg", ""):    BadPattern,
		in("1", uuid, "seg", "x"):   BadPattern,
		in("1", uuid, "seg", "1e9"): BadPattern,
		in("1", uuid, "seg", strings.Repeat("9", 11)):                   BadPattern,
		in("1", "00000000-0000-0000-0000-000000000000", "seg", "3"):     ZeroID,
		strings.Replace(good, "1-", "1-=", 1):                           BadPattern,
		in("1", strings.Repeat("x", 2000), "seg", "3"):                  BadLength,
		strings.Repeat("-", 3000):                                       BadLength,
		"1-" + strings.Repeat("\xff", 4) + "-" + b64("s") + "-3" + rest: BadPattern,
	} {
		c, fault := ParseSW8(bad)
		require.Equal(t, want, fault, bad)
		require.Zero(t, c, bad)
	}
}

func TestDatadog(t *testing.T) {
	const tid = "_dd.p.tid=463ac35c9f6413ad"
	for in, want := range map[[4]string]Context{
		{"5208512171318403364", "11744061942159299346", "", ""}:                                 {TraceID: id64, SpanID: idSpan},
		{"5208512171318403364", "11744061942159299346", "1", tid}:                               {TraceID: id128, SpanID: idSpan, Decision: Accept},
		{"5208512171318403364", "11744061942159299346", "2", "_dd.p.dm=-4, " + tid + ",a=b==="}: {TraceID: id128, SpanID: idSpan, Decision: Accept},
		{"5208512171318403364", "11744061942159299346", "-1", "_dd.p.dm=--128"}:                 {TraceID: id64, SpanID: idSpan, Decision: Deny},
		{"5208512171318403364", "0", "0", "x_dd.p.tid=1,,,"}:                                    {TraceID: id64, Decision: Deny},
		{"18446744073709551615", "1", "", ""}:                                                   {TraceID: span.TraceID{Low: 1<<64 - 1}, SpanID: 1},
	} {
		c, fault := ParseDatadog(in[0], in[1], in[2], in[3])
		require.Equal(t, NoFault, fault, in)
		require.Equal(t, want, c, in)
	}
	for in, want := range map[[4]string]Fault{
		{"0", "1", "", ""}:                            ZeroID,
		{"18446744073709551616", "1", "", ""}:         BadPattern,
		{"999999999999999999999", "1", "", ""}:        BadLength,
		{"1", strings.Repeat("1", 1<<20), "", ""}:     BadLength,
		{"", "1", "", ""}:                             BadPattern,
		{"1", "", "", ""}:                             BadPattern,
		{"0x1", "1", "", ""}:                          BadPattern,
		{"-1", "1", "", ""}:                           BadPattern,
		{"01", "1", "", ""}:                           BadPattern,
		{"1", "1", "3", ""}:                           BadDecision,
		{"1", "1", "yes", ""}:                         BadDecision,
		{"1", "1", "1", "_dd.p.tid=1"}:                BadLength,
		{"1", "1", "1", "_dd.p.tid="}:                 BadLength,
		{"1", "1", "1", "_dd.p.tid=463AC35C9F6413AD"}: BadHex,
		{"1", "1", "1", strings.Repeat("a=b,", 129)}:  BadLength,
	} {
		c, fault := ParseDatadog(in[0], in[1], in[2], in[3])
		require.Equal(t, want, fault, in)
		require.Zero(t, c, in)
	}
	// Either id alone is a caller that lost half of its headers; a priority alone says nothing.
	for _, x := range []struct {
		h    headers
		want Faults
	}{
		{headers{"X-Datadog-Trace-Id": {"1"}}, Faults{FormatDatadog: MissingID}},
		{headers{"X-Datadog-Parent-Id": {"1"}}, Faults{FormatDatadog: MissingID}},
		{headers{"X-Datadog-Sampling-Priority": {"1"}}, Faults{}},
		{headers{"X-Datadog-Trace-Id": {}, "X-Datadog-Parent-Id": {}}, Faults{}},
	} {
		c, from, faults := allFormats.Extract(x.h, allFormats.Look(x.h))
		require.Equal(t, NoFormat, from)
		require.Zero(t, c)
		require.Equal(t, x.want, faults)
	}
}

func TestTracestateIsBoundedAtAnEntry(t *testing.T) {
	h := headers{"Traceparent": {"00-" + trace128 + "-" + spanHex + "-01"}}
	state := func(lines ...string) string {
		h["Tracestate"] = lines
		c, ok, _ := extract(h)
		require.True(t, ok)
		return c.State
	}
	entry := "k=" + strings.Repeat("v", 97) // 99 characters, with a comma 100
	long := "l=" + strings.Repeat("v", 200)
	require.Equal(t, "a=1,b=2", state("a=1", "b=2"))
	require.Empty(t, state())
	require.Equal(t, strings.Join([]string{entry, entry, entry, entry, entry}, ","),
		state(strings.Join([]string{entry, entry, entry, entry, entry, entry}, ",")))
	require.Len(t, state(entry, entry, entry, entry, entry, entry, entry), 499)
	require.Equal(t, long+","+long, state(long, long), "what fits is not looked into")
	require.Equal(t, entry+",z=1", state(long+","+entry+","+long, long+",z=1"), "the long ones go first")
	require.Empty(t, state(strings.Repeat("x", 100_000)))
	require.Len(t, state(strings.Repeat("x", 512)), 512)
	require.Equal(t, strings.TrimSuffix(strings.Repeat("a=b,", 32), ","), state(strings.Repeat("a=b , ,", 400)), "32 entries are the most that there may be")
	require.Equal(t, "a=b", state("a=b,"+strings.Repeat("x", 16<<10)+",c=d"), "16 KiB are looked at")
	require.Equal(t, "a=b", state(strings.Repeat("a=b,"+strings.Repeat("x", 9000)+",", 2) + "c=d")[:3])
}
