package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/calltap/calltap/emit"
	"github.com/calltap/calltap/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ emit.Emitter = (*Store)(nil)

const start = 1_790_000_000_000_000 // of all test spans, µs

// at returns a span of trace n; each has its own service, name and time.
func at(n uint64, id span.ID, more ...func(*span.Span)) span.Span {
	s := span.Span{
		TraceID: span.TraceID{High: 1, Low: n}, ID: id, Kind: span.KindServer, Sampled: true,
		Start: start + int64(n)*1000, Duration: int64(n), Name: fmt.Sprintf("GET /%d", n), Key: "k",
		Local: span.Endpoint{Service: fmt.Sprintf("Svc%d", n)},
	}
	for _, f := range more {
		f(&s)
	}
	return s
}

func put(t testing.TB, s *Store, spans ...span.Span) {
	t.Helper()
	for i := range spans {
		require.Empty(t, spans[i].Valid())
	}
	require.Equal(t, len(spans), s.Emit(context.Background(), spans).Emitted)
}

// get asks the handler as it is mounted in the admin API.
func get(t testing.TB, s *Store, path string) (code int, body string) {
	t.Helper()
	mounted := http.StripPrefix("/calltap/api/v2", s.Handler())
	w := httptest.NewRecorder()
	mounted.ServeHTTP(w, httptest.NewRequest("GET", "/calltap/api/v2"+path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func getTraces(t testing.TB, s *Store, path string) (out [][]model.SpanModel) {
	t.Helper()
	code, body := get(t, s, path)
	require.Equal(t, 200, code, body)
	require.NoError(t, json.Unmarshal([]byte(body), &out))
	return out
}

// found returns the low halves of the traces that a search finds, in order.
func found(t testing.TB, s *Store, params string) (out []uint64) {
	t.Helper()
	for _, trace := range getTraces(t, s, "/traces?endTs="+fmt.Sprint(start/1000+1_000_000)+"&"+params) {
		out = append(out, trace[0].TraceID.Low)
	}
	return out
}

func TestRecordHoldsTheWholeSpan(t *testing.T) {
	in := at(7, 3, func(s *span.Span) {
		s.Parent, s.Debug, s.Shared, s.Error = 2, true, true, "500"
		s.Local = span.Endpoint{Service: "Nova-API", IP: netip.MustParseAddr("::ffff:1.2.3.4"), Port: 65535}
		s.Remote = span.Endpoint{IP: netip.MustParseAddr("fe80::1%eth0")}
		s.Tags = []span.Tag{{Key: "z", Value: "1"}, {Key: "a", Value: ""}, {Key: "z", Value: "2"}, {Key: "error", Value: "forged"}}
		s.Notes = []span.Note{{Time: start + 2, Value: "b"}, {Time: start + 1, Value: "c"}, {Time: start + 2, Value: "a"}, {Time: start + 2, Value: "b"}}
	})
	var w writer
	r := reader{w.append(w.append(nil, &in), &in)}
	out := span.Span{Tags: make([]span.Tag, 9), Notes: make([]span.Note, 9)}
	for range 2 {
		require.True(t, r.next(7, &out))
		require.Equal(t, span.Span{
			TraceID: in.TraceID, ID: 3, Parent: 2, Kind: span.KindServer, Sampled: true, Debug: true, Shared: true,
			Start: in.Start, Duration: 7, Name: "get /7",
			Local:  span.Endpoint{Service: "nova-api", IP: netip.MustParseAddr("1.2.3.4"), Port: 65535},
			Remote: span.Endpoint{IP: netip.MustParseAddr("fe80::1")},
			Tags:   []span.Tag{{Key: "a", Value: ""}, {Key: "calltap.key", Value: "k"}, {Key: "error", Value: "500"}, {Key: "z", Value: "2"}},
			Notes:  []span.Note{{Time: start + 1, Value: "c"}, {Time: start + 2, Value: "a"}, {Time: start + 2, Value: "b"}},
		}, out)
	}
	require.False(t, r.next(7, &out))
}

func FuzzRecord(f *testing.F) {
	f.Add("GET /", "svc", "http.path", "/x", "note", uint64(1), uint64(2), int64(3), int64(4), byte(2))
	f.Fuzz(func(t *testing.T, name, service, key, value, note string, id, parent uint64, at, length int64, kind byte) {
		in := span.Span{
			TraceID: span.TraceID{High: parent, Low: id}, ID: span.ID(id), Parent: span.ID(parent), Kind: span.Kind(kind),
			Start: at, Duration: length, Name: name, Key: key, Local: span.Endpoint{Service: service},
			Tags: []span.Tag{{Key: key, Value: value}}, Notes: []span.Note{{Time: at, Value: note}},
		}
		if in.Valid() != "" {
			return
		}
		// What is stored and read must be encoded as the span itself, but for case and order.
		s := New(Options{})
		put(t, s, in)
		v, ok := s.find(id)
		require.True(t, ok)
		var want, got model.SpanModel
		low := in
		low.Name, low.Local.Service = strings.ToLower(name), strings.ToLower(service)
		require.NoError(t, json.Unmarshal(low.AppendJSON(nil), &want))
		require.NoError(t, json.Unmarshal(v.spans()[0].AppendJSON(nil), &got))
		require.Equal(t, want, got)
	})
}

func TestTraceIsServedWhole(t *testing.T) {
	s := New(Options{})
	put(t, s, at(1, 1), at(2, 2), at(1, 3, func(s *span.Span) { s.Parent = 1 }), at(1, 1))
	code, body := get(t, s, "/trace/00000000000000010000000000000001")
	require.Equal(t, 200, code)
	var spans []model.SpanModel
	require.NoError(t, json.Unmarshal([]byte(body), &spans))
	require.Len(t, spans, 2, "what was sent twice is there once")
	require.Equal(t, "get /1", spans[0].Name)
	require.EqualValues(t, 1, *spans[1].ParentID)
	require.Equal(t, "svc1", spans[0].LocalEndpoint.ServiceName)

	code, _ = get(t, s, "/trace/1")
	require.Equal(t, 200, code, "the 64-bit form")
	code, body = get(t, s, "/trace/00000000000000090000000000000001")
	require.Equal(t, 404, code)
	require.Equal(t, "00000000000000090000000000000001 not found", body)
}

func TestTracesWithOneLowHalfAreNotMixed(t *testing.T) {
	s := New(Options{})
	other := at(1, 9)
	other.TraceID.High = 0
	put(t, s, at(1, 1), other)
	require.Len(t, getTraces(t, s, "/traceMany?traceIds=1,00000000000000010000000000000001"), 2)
	require.Equal(t, []uint64{1, 1}, found(t, s, ""))
	_, body := get(t, s, "/trace/1")
	require.Contains(t, body, `[{"traceId":"0000000000000001","id":"0000000000000009"`)
}

func TestWrongQueriesAreToldAsZipkinTellsThem(t *testing.T) {
	s := New(Options{})
	for path, want := range map[string]string{
		"/traces?limit=0":                      "400 limit <= 0",
		"/traces?limit=x":                      `400 For input string: "x"`,
		"/traces?endTs=0":                      "400 endTs <= 0",
		"/traces?lookback=-1":                  "400 lookback <= 0",
		"/traces?minDuration=0":                "400 minDuration <= 0",
		"/traces?maxDuration=5":                "400 maxDuration is only valid with minDuration",
		"/traces?minDuration=5&maxDuration=4":  "400 maxDuration < minDuration",
		"/spans":                               "400 Mandatory parameter/header/attribute is missing: serviceName",
		"/remoteServices":                      "400 Mandatory parameter/header/attribute is missing: serviceName",
		"/trace/xyz":                           "400 xyz should be lower-hex encoded with no prefix",
		"/trace/0":                             "400 traceId is all zeros",
		"/trace/1":                             "404 0000000000000001 not found",
		"/trace/" + strings.Repeat("1", 33):    "400 traceId.length > 32",
		"/trace/":                              "404 404 Not Found",
		"/traceMany":                           "400 Mandatory parameter/header/attribute is missing: traceIds",
		"/traceMany?traceIds=":                 "400 traceIds parameter is empty",
		"/traceMany?traceIds=1":                "400 Use /api/v2/trace/{traceId} endpoint to retrieve a single trace",
		"/traceMany?traceIds=1,,2":             "400 traceId is empty",
		"/traceMany?traceIds=1,1":              "400 redundant traceId: 1",
		"/dependencies":                        "400 Mandatory parameter/header/attribute is missing: endTs",
		"/dependencies?endTs=0":                "400 endTs <= 0",
		"/dependencies?endTs=5&lookback=0":     "400 lookback <= 0",
		"/autocompleteValues?key=":             "400 key was empty",
		"/nothing":                             "404 404 Not Found",
		"":                                     "404 404 Not Found",
		"/traces?endTs=9223372036854775807":    "200 []",
		"/traces?lookback=9223372036854775807": "200 []",
		"/services":                            "200 []",
		"/spans?serviceName=":                  "200 []",
		"/autocompleteKeys":                    "200 []",
		"/autocompleteValues?key=a":            "200 []",
		"/dependencies?endTs=5":                "200 []",
	} {
		code, body := get(t, s, path)
		require.Equal(t, want, fmt.Sprintf("%d %s", code, body), path)
	}
}

func TestHandlerOnlyReads(t *testing.T) {
	w := httptest.NewRecorder()
	New(Options{}).Handler().ServeHTTP(w, httptest.NewRequest("POST", "/services", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	w = httptest.NewRecorder()
	New(Options{}).Handler().ServeHTTP(w, httptest.NewRequest("HEAD", "/services", nil))
	require.Equal(t, http.StatusOK, w.Code)
}

func TestSearch(t *testing.T) {
	s := New(Options{})
	put(t, s,
		at(1, 1, func(s *span.Span) {
			s.Tags = []span.Tag{{Key: "http.method", Value: "GET"}}
			s.Remote.Service = "Client"
		}),
		at(2, 2, func(s *span.Span) {
			s.Error = "500"
			s.Tags = []span.Tag{{Key: "http.method", Value: "POST"}}
		}),
		at(3, 3, func(s *span.Span) { s.Notes = []span.Note{{Time: start, Value: "sent"}} }),
		at(3, 4, func(s *span.Span) {
			s.Parent, s.Local.Service, s.Error = 3, "inner", "timeout"
			s.Duration = 30
		}),
	)
	for params, want := range map[string][]uint64{
		"":                          {3, 2, 1},
		"limit=2":                   {3, 2},
		"serviceName=svc1":          {1},
		"serviceName=SVC1":          {1},
		"serviceName=nobody":        nil,
		"spanName=get+/2":           {2},
		"spanName=GET+/2":           {2},
		"spanName=all":              {3, 2, 1},
		"remoteServiceName=client":  {1},
		"annotationQuery=error":     {3, 2},
		"annotationQuery=error=500": {2},
		"annotationQuery=sent":      {3},
		"annotationQuery=sent+and+error%3Dtimeout":                 {3},
		"annotationQuery=sent+and+http.method":                     nil,
		"annotationQuery=http.method%3DGET+and+http.method":        {1},
		"annotationQuery=http.method%3DGET+and+http.method%3DPOST": {2},
		"annotationQuery=calltap.key%3Dk+and+http.method%3DPOST":   {2},
		"serviceName=svc3&annotationQuery=error":                   nil,
		"serviceName=inner&annotationQuery=error":                  {3},
		"minDuration=2":                       {3, 2},
		"minDuration=2&maxDuration=2":         {2},
		"minDuration=4":                       {3},
		"serviceName=svc3&minDuration=4":      nil,
		"lookback=" + fmt.Sprint(1_000_000-2): {3, 2},
		"endTs=" + fmt.Sprint(start/1000+2):   {3, 2, 1}, // the first endTs counts
		"lookback=1":                          nil,
		"serviceName=inner&spanName=get+/3&annotationQuery=calltap.key":  {3},
		"serviceName=&spanName=&annotationQuery=&minDuration=&lookback=": {3, 2, 1},
	} {
		require.Equal(t, want, found(t, s, params), params)
	}
}

func TestSpanBeyondTheWindowDoesNotHideItsTrace(t *testing.T) {
	s := New(Options{})
	end := fmt.Sprint(start/1000 + 10)
	put(t, s, at(1, 1), at(1, 2, func(s *span.Span) { s.Parent, s.Start = 1, start+60_000_000 }))
	require.Len(t, getTraces(t, s, "/traces?endTs="+end), 1)
}

func TestNamesAreOfWhatIsStored(t *testing.T) {
	s := New(Options{})
	put(t, s, at(2, 1), at(1, 2), at(1, 3, func(s *span.Span) {
		s.Local.Service, s.Remote.Service, s.Name = "svc2", "Broker", "Other"
	}))
	for path, want := range map[string]string{
		"/services":                        `["svc1","svc2"]`,
		"/spans?serviceName=SVC2":          `["get /2","other"]`,
		"/spans?serviceName=x":             `[]`,
		"/remoteServices?serviceName=svc2": `["broker"]`,
	} {
		_, body := get(t, s, path)
		require.Equal(t, want, body)
	}
}

func links(t testing.TB, s *Store) string {
	_, body := get(t, s, "/dependencies?endTs="+fmt.Sprint(start/1000+1_000_000))
	return body
}

func TestDependencies(t *testing.T) {
	type edit = func(*span.Span)
	is := func(kind span.Kind, parent span.ID, local, remote string, more ...edit) edit {
		return func(s *span.Span) {
			s.Kind, s.Parent, s.Local.Service, s.Remote.Service = kind, parent, local, remote
			for _, f := range more {
				f(s)
			}
		}
	}
	failed := func(s *span.Span) { s.Error = "500" }
	shared := func(s *span.Span) { s.Shared = true }
	for name, c := range map[string]struct {
		spans []span.Span
		want  string
	}{
		"server below client": {
			[]span.Span{
				at(1, 1, is(span.KindServer, 0, "api", "")),
				at(1, 2, is(span.KindClient, 1, "api", "compute")),
				at(1, 3, is(span.KindServer, 2, "compute", "")),
			},
			`[{"parent":"api","child":"compute","callCount":1}]`,
		},
		"server shares its client's id": {
			[]span.Span{
				at(1, 2, is(span.KindClient, 0, "web", "api")),
				at(1, 2, is(span.KindServer, 0, "api", "web", shared)),
				at(1, 3, is(span.KindClient, 2, "api", "db")),
			},
			`[{"parent":"web","child":"api","callCount":1},{"parent":"api","child":"db","callCount":1}]`,
		},
		"only the client was traced": {
			[]span.Span{at(1, 1, is(span.KindClient, 0, "api", "db", failed))},
			`[{"parent":"api","child":"db","callCount":1,"errorCount":1}]`,
		},
		"only the client knows of the error": {
			[]span.Span{
				at(1, 1, is(span.KindClient, 0, "api", "", failed)),
				at(1, 2, is(span.KindServer, 1, "compute", "")),
			},
			`[{"parent":"api","child":"compute","callCount":1,"errorCount":1}]`,
		},
		"messages go to the broker": {
			[]span.Span{
				at(1, 1, is(span.KindProducer, 0, "api", "rabbitmq")),
				at(1, 2, is(span.KindConsumer, 1, "compute", "rabbitmq")),
			},
			`[{"parent":"api","child":"rabbitmq","callCount":1},{"parent":"rabbitmq","child":"compute","callCount":1}]`,
		},
		"untraced span between": {
			[]span.Span{
				at(1, 1, is(span.KindServer, 0, "api", "")),
				at(1, 2, is(span.KindClient, 1, "worker", "db")),
			},
			`[{"parent":"api","child":"worker","callCount":1},{"parent":"worker","child":"db","callCount":1}]`,
		},
		"local spans are passed over": {
			[]span.Span{
				at(1, 1, is(span.KindServer, 0, "api", "")),
				at(1, 2, is(span.KindNone, 1, "api", "")),
				at(1, 3, is(span.KindServer, 2, "compute", "")),
			},
			`[{"parent":"api","child":"compute","callCount":1}]`,
		},
		"lost parent": {
			[]span.Span{
				at(1, 1, is(span.KindServer, 0, "api", "")),
				at(1, 5, is(span.KindServer, 4, "compute", "")),
			},
			`[{"parent":"api","child":"compute","callCount":1}]`,
		},
		"no root at all, and a circle": {
			[]span.Span{
				at(1, 1, is(span.KindServer, 2, "a", "x")),
				at(1, 2, is(span.KindServer, 1, "b", "x")),
				at(1, 3, is(span.KindServer, 9, "c", "x")),
			},
			`[{"parent":"x","child":"c","callCount":1}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Options{})
			put(t, s, c.spans...)
			require.Equal(t, c.want, links(t, s))
		})
	}
}

func TestOldestTraceLeavesWhole(t *testing.T) {
	s := New(Options{MaxSpans: 100})
	for n := uint64(1); n <= 30; n++ {
		for id := range span.ID(5) {
			put(t, s, at(n, id+1))
		}
	}
	st := s.Stats()
	require.Equal(t, 100, st.Spans)
	require.Equal(t, 20, st.Traces)
	require.EqualValues(t, 10, st.EvictedTraces)
	require.EqualValues(t, 50, st.EvictedSpans)
	ids := found(t, s, "limit=100")
	require.Len(t, ids, 20)
	require.EqualValues(t, 11, ids[19])
}

func TestMemoryIsBounded(t *testing.T) {
	s := New(Options{MaxBytes: 1 << 20})
	for n := uint64(1); n <= 200; n++ {
		put(t, s, at(n, 1, func(s *span.Span) { s.Name = strings.Repeat("x", 60<<10) }))
		require.LessOrEqual(t, s.Stats().Bytes, 1<<20)
	}
	require.Greater(t, s.Stats().Traces, 8)
}

func TestOneTraceCannotPushOutAllOthers(t *testing.T) {
	s := New(Options{MaxSpans: 1000})
	put(t, s, at(1, 1))
	flood := make([]span.Span, 5000)
	for i := range flood {
		flood[i] = at(2, span.ID(i+1))
	}
	out := s.Emit(context.Background(), flood)
	require.Equal(t, emit.Outcome{Emitted: 100, Dropped: map[string]int{DroppedTraceFull: 4900}}, out)
	require.Equal(t, []uint64{2, 1}, found(t, s, ""))
}

func TestClockYearsAheadDoesNotOutliveTheRest(t *testing.T) {
	s := New(Options{MaxSpans: 100})
	put(t, s, at(1, 1, func(s *span.Span) { s.Start += 1e14 }))
	for n := uint64(2); n <= 101; n++ {
		put(t, s, at(n, 1))
	}
	_, ok := s.find(1)
	require.False(t, ok)
}

func TestTracesSurviveTheirPipeline(t *testing.T) {
	s := New(Options{})
	for n := uint64(1); n <= 2; n++ {
		p := emit.New(emit.Options{}, s)
		one := at(n, 1)
		p.Offer(&one)
		require.NoError(t, p.Close(context.Background()))
	}
	require.Equal(t, []uint64{2, 1}, found(t, s, ""))
}

// Queries read what emitters write; the race detector watches.
func TestReadersNeverSeeAHalfWrittenTrace(t *testing.T) {
	s := New(Options{MaxSpans: 500})
	var writing, reading sync.WaitGroup
	for w := range uint64(2) {
		writing.Go(func() {
			for i := range span.ID(3000) {
				s.Emit(context.Background(), []span.Span{at(w*100+uint64(i)%60+1, i+1)})
			}
		})
	}
	stop := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				for _, trace := range getTraces(t, s, "/traces?limit=1000&endTs="+fmt.Sprint(start/1000+1_000_000)) {
					for _, sp := range trace {
						require.Equal(t, fmt.Sprintf("get /%d", sp.TraceID.Low), sp.Name)
					}
				}
				links(t, s)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	st := s.Stats()
	require.LessOrEqual(t, st.Spans, 500)
}

func BenchmarkInsert(b *testing.B) {
	s := New(Options{})
	batch := make([]span.Span, 1000)
	var n uint64
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch { // four spans a trace
			n++
			batch[i] = span.Span{
				TraceID: span.TraceID{High: 1, Low: n / 4}, ID: span.ID(n), Kind: span.KindServer, Sampled: true,
				Start: start + int64(n), Duration: 5, Name: "get /v2.1/servers/{id}", Key: "nova.api.servers.show.GET",
				Local: span.Endpoint{Service: "nova-api"},
				Tags:  []span.Tag{{Key: "http.method", Value: "GET"}, {Key: "http.status_code", Value: "200"}},
			}
		}
		s.Emit(context.Background(), batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/span")
	st := s.Stats()
	b.ReportMetric(float64(st.Bytes)/float64(st.Spans), "B/span")
}

func BenchmarkSearchFullStore(b *testing.B) {
	s := New(Options{})
	for n := uint64(1); n <= 100_000; n++ {
		sp := at(n/4+1, span.ID(n))
		s.Emit(context.Background(), []span.Span{sp})
	}
	h := s.Handler()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/traces?annotationQuery=nothing&endTs="+fmt.Sprint(start/1000+1_000_000), nil))
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(float64(time.Duration(b.Elapsed().Nanoseconds()/int64(b.N)).Microseconds())/1000, "ms/search")
}
