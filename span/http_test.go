package span

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// request is example as the HTTP handler makes it.
func request() Span {
	s := example()
	s.Tags, s.Notes = nil, nil
	s.HTTP = HTTP{Method: "GET", Path: "/v2.1/servers/9168b536-cd40-4630-b43f-b259807c6e87", Status: 200, Route: 4}
	return s
}

func TestHTTPFactsAreTags(t *testing.T) {
	s := request()
	want := map[string]string{
		TagHTTPMethod: "GET", TagHTTPPath: s.HTTP.Path, TagHTTPStatus: "200", TagHTTPRoute: "/v2.1/servers/{id}", TagKey: s.Key,
	}
	require.Equal(t, want, decode(t, s.AppendJSON(nil)).Tags)
	delete(want, TagKey)
	require.Equal(t, want, tagMap(s.AppendTags(nil)))

	s.HTTP = HTTP{Method: "GET", Route: 999} // aborted, and a name that was cut
	require.Equal(t, map[string]string{TagHTTPMethod: "GET", TagHTTPPath: "", TagKey: s.Key}, decode(t, s.AppendJSON(nil)).Tags)
	s.HTTP = HTTP{Status: 200, Route: 1, Path: "/x"} // no HTTP
	require.Equal(t, map[string]string{TagKey: s.Key}, decode(t, s.AppendJSON(nil)).Tags)
	require.Empty(t, s.AppendTags(nil))
}

// JSON with a key twice means one thing to one reader and another to the next.
func TestATagGoesBeforeTheFactOfTheSameName(t *testing.T) {
	s := request()
	s.HTTP.Received, s.HTTP.Sent = 1, 2
	for _, key := range []string{TagHTTPMethod, TagHTTPPath, TagHTTPStatus, TagHTTPRoute, TagHTTPReceived, TagHTTPSent} {
		s.Tags = append(s.Tags, Tag{key, "mine"})
	}
	out := s.AppendJSON(nil)
	requireUniqueKeys(t, out)
	require.Equal(t, tagMap(append(s.Tags, Tag{TagKey, s.Key})), decode(t, out).Tags)
	require.Equal(t, tagMap(s.Tags), tagMap(s.AppendTags(nil)))
}

func TestForeignFactsStayInsideTheirQuotes(t *testing.T) {
	s := request()
	s.HTTP.Method, s.HTTP.Path = "G\"ET", "/\\\xff\n\u2028é"
	got := decode(t, s.AppendJSON(nil)).Tags
	require.Equal(t, "G\"ET", got[TagHTTPMethod])
	require.Equal(t, fffd(s.HTTP.Path), got[TagHTTPPath])
}

func TestSizeCountsTheFacts(t *testing.T) {
	s := request()
	before := s.Size()
	s.HTTP.Path += "12345"
	require.Equal(t, before+5, s.Size())
}

func tagMap(tags []Tag) map[string]string {
	m := make(map[string]string)
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// BenchmarkAppendJSONOfRequests is what encoding costs a request: as most are, and with a path that needs escapes.
func BenchmarkAppendJSONOfRequests(b *testing.B) {
	for name, path := range map[string]string{
		"plain":  "/v2.1/servers/9168b536-cd40-4630-b43f-b259807c6e87",
		"quotes": "/v2.1/servers/\"9168b536\"-cd40\\4630-b43f-b259807c6e",
		"UTF-8":  "/v2.1/servers/größe-日本語-b43f-b259807c6e87",
		"broken": "/v2.1/servers/\xff\xfe168b536-cd40-4630-b43f-b25980",
	} {
		b.Run(name, func(b *testing.B) {
			s := request()
			s.HTTP.Path = path
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				buf = s.AppendJSON(buf[:0])
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func TestEscapesDoNotAllocate(t *testing.T) {
	s := request()
	s.HTTP.Path = "/\"\\\n\xff日本語\u2028"
	buf := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() { buf = s.AppendJSON(buf[:0]) }))
}
