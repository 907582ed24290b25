package dialect

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/calltap/calltap/spanbuilder"
	"github.com/stretchr/testify/require"
)

// recorded reads what real clients sent, as ../../integration/testdata has it: the captures of a dialect, or with "*" of all.
func recorded(t testing.TB, of string) []Record {
	t.Helper()
	files, err := filepath.Glob("../../integration/testdata/" + of + "/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var records []Record
	for _, name := range files {
		records = append(records, readWild(t, name)...)
	}
	return records
}

func readWild(t testing.TB, name string) []Record {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 16<<20)
	var records []Record
	for in.Scan() {
		var line struct {
			RoutingKey string `json:"routing_key"`
			Headers    struct {
				Exchange   string   `json:"exchange_name"`
				Keys       []string `json:"routing_keys"`
				VHost      string   `json:"vhost"`
				Routed     []string `json:"routed_queues"`
				Properties struct {
					ContentType   string    `json:"content_type"`
					ReplyTo       string    `json:"reply_to"`
					CorrelationID string    `json:"correlation_id"`
					Expiration    string    `json:"expiration"`
					MessageID     string    `json:"message_id"`
					Headers       headerAny `json:"headers"`
				} `json:"properties"`
			} `json:"headers"`
			Body []byte `json:"body_b64"`
		}
		require.NoError(t, json.Unmarshal(in.Bytes(), &line))
		p := line.Headers.Properties
		r := Record{
			Point: spanbuilder.Published, VHost: line.Headers.VHost, Exchange: line.Headers.Exchange, RoutingKey: line.Headers.Keys[0],
			RoutedKnown: true, RoutedQueues: len(line.Headers.Routed), Body: line.Body,
			Properties: Properties{ContentType: p.ContentType, ReplyTo: p.ReplyTo, CorrelationID: p.CorrelationID, Expiration: p.Expiration, MessageID: p.MessageID},
		}
		if len(p.Headers) > 0 {
			r.Properties.Headers = p.Headers
		}
		if q, ok := strings.CutPrefix(line.RoutingKey, "deliver."); ok {
			r.Point, r.Queue, r.RoutedKnown = spanbuilder.Delivered, q, false
		}
		records = append(records, r)
	}
	require.NoError(t, in.Err())
	return records
}

// headerAny are headers as JSON has them.
type headerAny map[string]any

func (h headerAny) Header(name string) string { s, _ := h[name].(string); return s }

func (h headerAny) Int(name string) (int64, bool) {
	switch n := h[name].(type) {
	case float64:
		return int64(n), true
	case bool:
		if n {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func (h headerAny) Strings(name string, dst []string) []string {
	a, _ := h[name].([]any)
	for _, v := range a {
		if s, ok := v.(string); ok {
			dst = append(dst, s)
		}
	}
	return dst
}

func (h headerAny) Death() (reason, queue string, n int64, ok bool) { return "", "", 0, false }

// newSet is a Set of all dialects.
func newSet(t testing.TB) *Set {
	t.Helper()
	set, err := NewSet(Limits{})
	require.NoError(t, err)
	return set
}

// tally decodes records in order and counts what became of them, by dialect, form or verdict, and method or error:
//
//	nameko call front.buy
//	nameko reply ValueError
//	celery ignored
func tally(t testing.TB, records []Record) map[string]int {
	t.Helper()
	set, n := newSet(t), make(map[string]int)
	for i := range records {
		var m spanbuilder.Message
		name, v := set.Decode(&records[i], &m)
		what := name + " " + v.String()
		if v == Decoded {
			what = name + " " + [...]string{"", "call", "cast", "fanout", "notification", "reply", "heartbeat"}[m.Form] + " " + m.Topic + "." + m.Method
			if m.Form >= spanbuilder.FormReply {
				what = name + " " + [...]string{"reply", "heartbeat"}[m.Form-spanbuilder.FormReply] + " " + m.Error
			}
		}
		n[strings.TrimSpace(what)]++
	}
	return n
}

// What one client sends and another's dialect takes would be paired wrongly, and named wrongly.
func TestEachRecordedMessageIsItsOwnDialects(t *testing.T) {
	for _, of := range []string{"nameko", "celery", "jsonrpc", "plain", "oslo", "openstack", "masstransit", "spring", "moleculer"} {
		want := of
		if of == "openstack" {
			want = "oslo"
		}
		set := newSet(t)
		for i, r := range recorded(t, of) {
			var m spanbuilder.Message
			name, v := set.Decode(&r, &m)
			if name == "direct" && (of == "plain" || of == "spring") { // pika's over direct reply-to; Spring's text has no mark
				name = of
			}
			require.Equal(t, want, name, "%s, record %d, %s", of, i, r.Body)
			require.False(t, v.Malformed(), "%s, record %d: %s", of, i, v)
		}
	}
}

// Each request has its key at both of its points, and each reply has that of one request.
func TestRecordedRepliesFindTheirRequests(t *testing.T) {
	type key struct{ replyTo, id string }
	for of, unanswered := range map[string]int{
		"nameko": 1, // the service that is not there
		"celery": 0, "jsonrpc": 0, "plain": 0, "oslo": 0, "masstransit": 0, "moleculer": 0,
		"spring": 1, // the listener that fails in silence
	} {
		set, open, replies := newSet(t), map[key]int{}, 0
		for _, r := range recorded(t, of) {
			var m spanbuilder.Message
			if _, v := set.Decode(&r, &m); v != Decoded || r.Point != spanbuilder.Published {
				continue
			}
			k := key{strings.Clone(m.ReplyTo), strings.Clone(m.ID)}
			switch m.Form {
			case spanbuilder.FormCall:
				open[k]++
			case spanbuilder.FormReply:
				replies++
				require.Positive(t, open[k], "%s: a reply to nobody: %v", of, k)
				open[k]--
			}
		}
		left := 0
		for _, n := range open {
			left += n
		}
		require.Equal(t, unanswered, left, of)
		require.Positive(t, replies, of)
	}
}

func TestDecodingRecordedMessagesDoesNotAllocate(t *testing.T) {
	set, records := newSet(t), recorded(t, "*")
	var m spanbuilder.Message
	decode := func() {
		for i := range records {
			set.Decode(&records[i], &m)
		}
	}
	decode() // scratch grows once
	require.Zero(t, testing.AllocsPerRun(10, decode))
}

// BenchmarkNotMine is what each dialect costs the messages of others.
func BenchmarkNotMine(b *testing.B) {
	records := recorded(b, "openstack")
	for _, e := range registry {
		if e.name == "oslo" || e.name == "plain" {
			continue
		}
		b.Run(e.name, func(b *testing.B) {
			set := newSet(b)
			d := e.make(shared{limits: Limits{MaxBody: DefaultMaxBody}, addresses: &set.addresses, batches: &set.Batches})
			var m spanbuilder.Message
			b.ReportAllocs()
			for i := range b.N {
				if d.Decode(&records[i%len(records)], &m) != NotMine {
					b.Fatal("took another's")
				}
			}
		})
	}
}
