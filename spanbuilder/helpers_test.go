package spanbuilder

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/keyrules"
	"github.com/calltap/calltap/sampling"
	"github.com/calltap/calltap/span"
)

// kept is a Sink that keeps what it is offered.
type kept struct{ spans []span.Span }

func (k *kept) Offer(s *span.Span) { k.spans = append(k.spans, *s) }

// nothing is a Sink that counts.
type nothing struct{ n int }

func (k *nothing) Offer(*span.Span) { k.n++ }

func newTracer(t testing.TB, sink Sink) *Tracer {
	rules, err := keyrules.Compile(keyrules.Config{})
	require.NoError(t, err)
	return &Tracer{Rules: rules, Head: sampling.All, Link: LinkOpenStack, Links: NewLinks(0), Sink: sink, HasSources: true}
}

// record is a line of testdata/*.jsonl.
type record struct {
	Time            int64  `json:"time"`
	Point           string `json:"point"`
	Form            string `json:"form"`
	VHost           string `json:"vhost"`
	Exchange        string `json:"exchange"`
	RoutingKey      string `json:"routing_key"`
	Queue           string `json:"queue"`
	Connection      string `json:"connection"`
	Size            int    `json:"size"`
	ReplyTo         string `json:"reply_to"`
	ID              string `json:"id"`
	Topic           string `json:"topic"`
	Server          string `json:"server"`
	Namespace       string `json:"namespace"`
	Method          string `json:"method"`
	TimeoutMS       int64  `json:"timeout_ms"`
	Unroutable      bool   `json:"unroutable"`
	Error           string `json:"error"`
	GlobalRequestID string `json:"global_request_id"`
	RequestID       string `json:"request_id"`
	UserID          string `json:"user_id"`
	ProjectID       string `json:"project_id"`
	TraceBase       string `json:"trace_base"` // osprofiler's base_id, a UUID
}

func (r *record) message(t testing.TB) Message {
	points := map[string]Point{"publish": Published, "deliver": Delivered}
	forms := map[string]Form{
		"call": FormCall, "cast": FormCast, "fanout": FormFanout,
		"notification": FormNotification, "reply": FormReply, "heartbeat": FormHeartbeat,
	}
	m := Message{
		Time: r.Time, Point: points[r.Point], Form: forms[r.Form], Dialect: "oslo",
		VHost: r.VHost, Exchange: r.Exchange, RoutingKey: r.RoutingKey, Queue: r.Queue,
		Connection: r.Connection, Size: r.Size, ReplyTo: r.ReplyTo, ID: r.ID,
		Topic: r.Topic, Server: r.Server, Namespace: r.Namespace, Method: r.Method,
		Timeout: time.Duration(r.TimeoutMS) * time.Millisecond, Unroutable: r.Unroutable, Error: r.Error,
		GlobalRequestID: r.GlobalRequestID, RequestID: r.RequestID, UserID: r.UserID, ProjectID: r.ProjectID,
	}
	if r.TraceBase != "" {
		id, ok := parseUUID(r.TraceBase)
		require.True(t, ok)
		m.Context.TraceID = id
	}
	require.NotZero(t, m.Point, r)
	require.NotZero(t, m.Form, r)
	return m
}

// capture reads testdata/NAME.jsonl.
func capture(t testing.TB, name string) []Message {
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	require.NoError(t, err)
	defer f.Close()
	var all []Message
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r record
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		all = append(all, r.message(t))
	}
	require.NotEmpty(t, all)
	return all
}

// replay gives what comes of the messages, with the end of input after them.
func replay(t testing.TB, tracer *Tracer, o PairerOptions, messages []Message) (spans, PairerStats) {
	sink := &kept{}
	tracer.Sink = sink
	p := NewPairer(o)
	var last int64
	for i := range messages {
		m := messages[i]
		p.Observe(tracer, &m)
		last = max(last, m.Time)
	}
	p.Flush(tracer, last)
	require.Zero(t, p.Stats().Open)
	require.Zero(t, p.Stats().Traces)
	return sink.spans, p.Stats()
}

type spans []span.Span

// where gives the spans of a kind whose RPC method is that; any if empty.
func (s spans) where(kind span.Kind, method string) spans {
	var found spans
	for _, x := range s {
		if (kind == 0 || x.Kind == kind) && (method == "" || tag(x, "rpc.method") == method) {
			found = append(found, x)
		}
	}
	return found
}

func (s spans) one(t testing.TB, kind span.Kind, method string) span.Span {
	found := s.where(kind, method)
	require.Len(t, found, 1, "%v %s", kind, method)
	return found[0]
}

func (s spans) byID() map[span.ID]span.Span {
	ids := make(map[span.ID]span.Span)
	for _, x := range s {
		ids[x.ID] = x
	}
	return ids
}

func (s spans) ofTrace(id span.TraceID) spans {
	var found spans
	for _, x := range s {
		if x.TraceID == id {
			found = append(found, x)
		}
	}
	return found
}

func tag(s span.Span, key string) string {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

func timer(s span.Span, name string) int64 {
	for _, t := range s.Timers {
		if t.Name == name {
			return t.Micros
		}
	}
	return 0
}

// tree prints spans the way that a test can compare and a person can read.
func (s spans) tree() string {
	all := slices.Clone(s)
	slices.SortStableFunc(all, func(a, b span.Span) int { return cmp.Compare(a.Start, b.Start) })
	ids := all.byID()
	var b strings.Builder
	var show func(parent span.ID, depth int)
	line := func(x span.Span, depth int) {
		var more []string
		for _, key := range []string{"calltap.parent", "calltap.end", "calltap.incomplete", "rpc.late", "redelivered"} {
			if v := tag(x, key); v != "" {
				more = append(more, key+"="+v)
			}
		}
		if x.Error != "" {
			more = append(more, "error="+x.Error)
		}
		fmt.Fprintf(&b, "%s%v %s→%s %s %d %s\n", strings.Repeat("  ", depth), x.Kind, x.Local.Service, x.Remote.Service,
			tag(x, "rpc.method"), x.Duration, strings.Join(more, " "))
	}
	show = func(parent span.ID, depth int) {
		for _, x := range all {
			if x.Parent == parent {
				line(x, depth)
				show(x.ID, depth+1)
			}
		}
	}
	for _, x := range all {
		if _, ok := ids[x.Parent]; !ok {
			line(x, 0)
			show(x.ID, 1)
		}
	}
	return b.String()
}
