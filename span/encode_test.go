package span

import (
	"encoding/binary"
	"encoding/json"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
)

// example is a span of about 500 bytes of JSON, as an HTTP request in front of nova gives it.
func example() Span {
	return Span{
		TraceID:  TraceID{High: 0x463ac35c9f6413ad, Low: 0x48485a3953bb6124},
		ID:       0x48485a3953bb6124,
		Parent:   0x0020000000000001,
		Kind:     KindServer,
		Sampled:  true,
		Start:    1_790_000_000_123_456,
		Duration: 12_345,
		Name:     "GET /v2.1/servers/{id}",
		Key:      "nova.api.servers.show.GET",
		Local:    Endpoint{Service: "nova-api", IP: netip.MustParseAddr("127.0.0.1"), Port: 8774},
		Remote:   Endpoint{IP: netip.MustParseAddr("10.20.30.40"), Port: 51234},
		Tags: []Tag{
			{"http.method", "GET"},
			{"http.path", "/v2.1/servers/9168b536-cd40-4630-b43f-b259807c6e87"},
			{"http.status_code", "200"},
		},
		Notes: []Note{{Time: 1_790_000_000_123_999, Value: "wr"}},
	}
}

func decode(t testing.TB, b []byte) model.SpanModel {
	t.Helper()
	var m model.SpanModel
	require.NoError(t, json.Unmarshal(b, &m), "%s", b)
	return m
}

func TestEveryFieldArrivesInZipkinsModel(t *testing.T) {
	s := example()
	s.Error, s.Debug, s.Shared = "timeout", true, true
	m := decode(t, s.AppendJSON(nil))

	require.Equal(t, model.TraceID{High: s.TraceID.High, Low: s.TraceID.Low}, m.TraceID)
	require.Equal(t, model.ID(s.ID), m.ID)
	require.Equal(t, model.ID(s.Parent), *m.ParentID)
	require.Equal(t, model.Server, m.Kind)
	require.Equal(t, s.Name, m.Name)
	require.Equal(t, s.Start, m.Timestamp.UnixMicro())
	require.Equal(t, time.Duration(s.Duration)*time.Microsecond, m.Duration)
	require.True(t, m.Shared)
	require.True(t, m.Debug)
	require.Equal(t, &model.Endpoint{ServiceName: "nova-api", IPv4: net.IPv4(127, 0, 0, 1), Port: 8774}, m.LocalEndpoint)
	require.Equal(t, &model.Endpoint{IPv4: net.IPv4(10, 20, 30, 40), Port: 51234}, m.RemoteEndpoint)
	require.Len(t, m.Annotations, 1)
	require.Equal(t, s.Notes[0].Time, m.Annotations[0].Timestamp.UnixMicro())
	require.Equal(t, "wr", m.Annotations[0].Value)
	require.Equal(t, map[string]string{
		"http.method": "GET", "http.path": s.Tags[1].Value, "http.status_code": "200",
		"calltap.key": s.Key, "error": "timeout",
	}, m.Tags)
}

func TestOptionalFieldsAreAbsentNotEmpty(t *testing.T) {
	s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3}
	require.Equal(t, `{"traceId":"00000000000000000000000000000001","id":"0000000000000002","timestamp":3}`,
		string(s.AppendJSON(nil)))
}

func TestKindsAreZipkinsWords(t *testing.T) {
	for k := KindNone; k <= KindConsumer; k++ {
		s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Kind: k}
		require.Equal(t, model.Kind(k.String()), decode(t, s.AppendJSON(nil)).Kind)
	}
	s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Kind: 255}
	require.NotContains(t, string(s.AppendJSON(nil)), "kind")
}

func TestEndpointForms(t *testing.T) {
	for _, c := range []struct {
		endpoint Endpoint
		want     string
	}{
		{Endpoint{Service: "a"}, `{"serviceName":"a"}`},
		{Endpoint{Port: 7}, `{"port":7}`},
		{Endpoint{IP: netip.MustParseAddr("::ffff:1.2.3.4")}, `{"ipv4":"1.2.3.4"}`},
		{Endpoint{IP: netip.MustParseAddr("fe80::1%eth0"), Port: 7}, `{"ipv6":"fe80::1","port":7}`},
	} {
		s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Local: c.endpoint}
		require.Contains(t, string(s.AppendJSON(nil)), `"localEndpoint":`+c.want+`}`)
	}
}

func TestNoTagKeyTwice(t *testing.T) {
	s := Span{
		TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Key: "k", Error: "500",
		Tags: []Tag{{"a", "1"}, {"error", "forged"}, {"calltap.key", "forged"}, {"a", "2"}, {"b", "3"}},
	}
	require.Contains(t, string(s.AppendJSON(nil)), `"tags":{"calltap.key":"k","a":"2","b":"3","error":"500"}`)
	s.Key, s.Error = "", ""
	require.Contains(t, string(s.AppendJSON(nil)), `"tags":{"error":"forged","calltap.key":"forged","a":"2","b":"3"}`)
}

func TestTwoBrokenKeysThatReadAlikeAreOne(t *testing.T) {
	s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Tags: []Tag{{"\xd4", "1"}, {"\xae", "2"}, {"\ufffd", "3"}}}
	requireUniqueKeys(t, s.AppendJSON(nil))
	require.Equal(t, map[string]string{"\ufffd": "3"}, decode(t, s.AppendJSON(nil)).Tags)
}

func TestMicrosAreStrconvs(t *testing.T) {
	for _, v := range []int64{1, 999_999_999_999_999, 1e15, 1e15 + 1, 1_790_000_000_123_456, 9_999_999_999_999_999, 1e16, 1 << 53} {
		require.Equal(t, strconv.FormatInt(v, 10), string(appendMicros(nil, v)))
	}
	for v := int64(1e15); v < 1e16; v += 9_876_543_210_7 {
		if got := string(appendMicros(nil, v)); got != strconv.FormatInt(v, 10) {
			t.Fatalf("%d became %s", v, got)
		}
	}
}

func TestSelfParentAndSharedClientAreUndone(t *testing.T) {
	s := Span{TraceID: TraceID{Low: 1}, ID: 2, Parent: 2, Start: 3, Kind: KindClient, Shared: true}
	out := string(s.AppendJSON(nil))
	require.NotContains(t, out, "parentId")
	require.NotContains(t, out, "shared")
}

func TestHostileStringsStayInsideTheirQuotes(t *testing.T) {
	for _, in := range []string{
		`"`, `\`, `","id":"evil`, "a\nb\r\t\x00\x1f\x7f", "\u2028\u2029", "ünï", "日本語 text", "\U0001f600",
		"\xff", "1234567\xff", "12345678\"", "abc\xc3", "\xed\xa0\x80", strings.Repeat("x", 100) + "\\",
	} {
		for pad := 0; pad < 17; pad++ {
			s := Span{TraceID: TraceID{Low: 1}, ID: 2, Start: 3, Name: strings.Repeat("p", pad) + in}
			out := s.AppendJSON(nil)
			require.True(t, utf8.Valid(out))
			require.Equal(t, fffd(s.Name), decode(t, out).Name)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	s := example()
	f.Add(s.Name, s.Key, "timeout", "nova-api", "http.path", "/v2.1", "http.path", "wr", uint64(1), uint64(2), int64(3), int64(4), byte(1))
	f.Add("\xff\"\\", "\x00", "\u2028", "", "error", "x", "calltap.key", "\x7f", uint64(1), uint64(1), int64(1), int64(0), byte(2))
	f.Fuzz(func(t *testing.T, name, key, class, service, tag1, value, tag2, note string, id, parent uint64, start, length int64, kind byte) {
		s := Span{
			TraceID: TraceID{High: parent, Low: id}, ID: ID(id), Parent: ID(parent), Kind: Kind(kind), Error: class,
			Start: start, Duration: length, Name: name, Key: key, Local: Endpoint{Service: service},
			Tags: []Tag{{tag1, value}, {tag2, name}}, Notes: []Note{{start, note}},
		}
		out := s.AppendJSON(nil)
		require.True(t, utf8.Valid(out))
		for _, c := range out {
			require.False(t, c < 0x20, "a control character in %q", out)
		}
		requireUniqueKeys(t, out)
		if s.Valid() != "" {
			require.True(t, json.Valid(out), "%s", out)
			return
		}
		m := decode(t, out)
		require.Equal(t, fffd(name), m.Name)
		require.Equal(t, model.ID(id), m.ID)
		require.Equal(t, fffd(note), m.Annotations[0].Value)
		if key != "" {
			require.Equal(t, fffd(key), m.Tags[TagKey])
		}
		if class != "" {
			require.Equal(t, fffd(class), m.Tags[TagError])
		}
	})
}

// fffd is what encoding/json makes of bytes that are not UTF-8: U+FFFD for each of them.
func fffd(s string) string { return string([]rune(s)) }

// requireUniqueKeys walks the object with a tokenizer, since a map would hide a repeated key.
func requireUniqueKeys(t testing.TB, b []byte) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(b)))
	var walk func()
	walk = func() {
		tok, err := d.Token()
		require.NoError(t, err, "%s", b)
		switch tok {
		case json.Delim('{'):
			seen := map[string]bool{}
			for d.More() {
				k, err := d.Token()
				require.NoError(t, err)
				require.False(t, seen[k.(string)], "key %q twice in %s", k, b)
				seen[k.(string)] = true
				walk()
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				walk()
			}
			_, _ = d.Token()
		}
	}
	walk()
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	s := example()
	buf := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() { buf = s.AppendJSON(buf[:0]) }))
}

func TestNumbersAndAddressesReadAsThoseOfTheStandardLibrary(t *testing.T) {
	for v := uint64(1); v < 1e12; v = v*3/2 + 1 {
		for _, v := range []uint64{v, v - 1, v/10*10 + 9} {
			require.Equal(t, strconv.FormatUint(v, 10), string(appendUint([]byte("n="), v)[2:]))
		}
	}
	for _, v := range []uint64{0, 9, 10, 99, 100, 65535, 1e8 - 1, 1e8, 1<<63 - 1, 1<<64 - 1} {
		require.Equal(t, strconv.FormatUint(v, 10), string(appendUint(nil, v)))
	}
	for i := range 256 {
		ip := [4]byte{byte(i), byte(255 - i), byte(i / 2), byte(i * 7)}
		require.Equal(t, netip.AddrFrom4(ip).String(), string(appendIPv4(nil, binary.BigEndian.Uint32(ip[:]))))
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	s := example()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkZipkinGo is the yardstick: the same span through zipkin-go's own encoding.
func BenchmarkZipkinGo(b *testing.B) {
	s := example()
	m := decode(b, s.AppendJSON(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(m); err != nil {
			b.Fatal(err)
		}
	}
}
