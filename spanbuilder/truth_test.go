package spanbuilder

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/calltap/calltap/span"
)

// fact is a line of testdata/truth/*.tsv.
type fact struct {
	published                 int64
	id, method                string
	sender, receiver, request string
	parent                    string
}

// truth reads testdata/truth/NAME.tsv; see the README there. "-" becomes "".
func truth(t testing.TB, name string) []fact {
	f, err := os.Open("testdata/truth/" + name + ".tsv")
	require.NoError(t, err)
	defer f.Close()
	var all []fact
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		c := strings.Split(lines.Text(), "\t")
		require.Len(t, c, 8)
		for i := range c {
			if c[i] == "-" {
				c[i] = ""
			}
		}
		at, err := strconv.ParseInt(c[0], 10, 64)
		require.NoError(t, err)
		all = append(all, fact{published: at, id: c[1], method: c[3], sender: c[4], receiver: c[5], request: c[6], parent: c[7]})
	}
	require.NotEmpty(t, all)
	return all
}

// score is how spans compare with the truth.
type score struct {
	requests, linked int // messages of HTTP requests, and those in their request's trace
	stray            int // messages that nobody asked for, but that are in some request's trace
	right, guessed   int // parents, of all messages
	wrong            []string
	sure             []string // wrong ones that are not tagged as guesses
}

func (s score) String() string {
	all := s.right + len(s.wrong)
	return fmt.Sprintf("linked %d of %d, parents right %d of %d (%d guessed), strays %d", s.linked, s.requests, s.right, all, s.guessed, s.stray)
}

// judge compares the spans of a replay with the truth. A message's own span is the one that begins when it was published.
func judge(t testing.TB, all spans, facts []fact) score {
	sent := map[string]span.Span{} // by message
	message := map[span.ID]string{}
	byStart := map[int64]span.Span{}
	for _, s := range all {
		if s.Kind == span.KindClient || s.Kind == span.KindProducer {
			require.NotContains(t, byStart, s.Start, "two messages at one time cannot be told apart here")
			byStart[s.Start] = s
		}
	}
	for _, f := range facts {
		s, ok := byStart[f.published]
		require.True(t, ok, "%s %s gave no span", f.method, f.id)
		require.Equal(t, f.method, tag(s, "rpc.method"))
		sent[f.id], message[s.ID] = s, f.id
	}
	ids := all.byID()
	traces := map[string]span.TraceID{} // of the requests
	for _, f := range facts {
		if _, ok := traces[f.request]; !ok && f.request != "" {
			traces[f.request] = sent[f.id].TraceID
		}
	}
	asked := map[span.TraceID]bool{}
	for _, id := range traces {
		require.False(t, asked[id], "two requests in one trace")
		asked[id] = true
	}
	var out score
	for _, f := range facts {
		s := sent[f.id]
		switch {
		case f.request == "" && asked[s.TraceID]:
			out.stray++
		case f.request != "":
			out.requests++
			if s.TraceID == traces[f.request] {
				out.linked++
			}
		}
		work, hangs := ids[s.Parent] // of an HTTP request there is no span here
		guess := tag(s, "calltap.parent") == "guessed"
		if guess {
			out.guessed++
		}
		if hangs && message[work.Parent] == f.parent || !hangs && f.parent == "" {
			out.right++
			continue
		}
		text := fmt.Sprintf("%s %s of %s: %q instead of %q", f.method, f.id, f.sender, message[work.Parent], f.parent)
		out.wrong = append(out.wrong, text)
		if !guess {
			out.sure = append(out.sure, text)
		}
	}
	return out
}

var captured = []string{
	"boot1", "boot1-noglobal", "boot1-notifications", "bootfail", "callfail", "calls", "calltimeout", "idle60", "osprofiler-call",
}

// identified is what a management API would tell of the connections in a capture.
func identified(messages []Message, facts []fact) func(string) Identity {
	names := map[string]string{}
	for _, m := range messages {
		for _, f := range facts {
			switch {
			case f.id != m.ID || m.Form == FormReply:
			case m.Point == Published:
				names[m.Connection] = f.sender
			default:
				names[m.Connection] = f.receiver
			}
		}
	}
	return func(connection string) Identity {
		service, _, _ := strings.Cut(names[connection], ":")
		return Identity{Process: names[connection], Service: service}
	}
}

// Every RPC of a request is in its trace, nova's ComputeNode.save included, and no heartbeat nor periodic task is.
func TestLinksAndParentsOfTheCapturesAreTheTruth(t *testing.T) {
	for _, name := range captured {
		t.Run(name, func(t *testing.T) {
			messages, facts := capture(t, name), truth(t, name)
			got, _ := replay(t, newTracer(t, nil), PairerOptions{}, messages)
			s := judge(t, got, facts)
			t.Log("firehose alone:", s)
			require.Equal(t, s.requests, s.linked)
			require.Zero(t, s.stray)
			require.Empty(t, s.wrong)

			got, _ = replay(t, newTracer(t, nil), PairerOptions{Identify: identified(messages, facts)}, messages)
			s = judge(t, got, facts)
			t.Log("names known:   ", s)
			require.Equal(t, s.requests, s.linked)
			require.Zero(t, s.stray)
			require.Empty(t, s.wrong)
			for _, x := range got.where(span.KindClient, "") {
				if tag(x, "openstack.user_id") != "" {
					require.Empty(t, tag(x, "calltap.parent"), "%s: nothing is to be guessed", tag(x, "rpc.method"))
				}
			}
		})
	}
}

// parallel makes n copies of a capture, each a request of its own among the same processes, gap microseconds apart.
func parallel(messages []Message, facts []fact, n int, gap int64) ([]Message, []fact) {
	var all []Message
	var truth []fact
	for i := range n {
		own := func(id string) string {
			if len(id) < 8 {
				return id
			}
			return id[:4] + fmt.Sprintf("%04x", i) + id[8:] // of a request id, the first half of its first field
		}
		shift := gap * int64(i)
		for _, m := range messages {
			m.Time += shift
			m.ID = own(m.ID)
			if m.UserID != "" {
				m.RequestID, m.GlobalRequestID = own(m.RequestID), own(m.GlobalRequestID)
			}
			all = append(all, m)
		}
		for _, f := range facts {
			f.published += shift
			f.id, f.parent, f.request = own(f.id), own(f.parent), own(f.request)
			truth = append(truth, f)
		}
	}
	slices.SortStableFunc(all, func(a, b Message) int { return cmp.Compare(a.Time, b.Time) })
	return all, truth
}

// Five boots at once on one host: all their works go on in the same processes, and what bears no id of a request, nova's
// ComputeNode.save, may be any boot's. Its parent is a guess, and says so.
func TestParallelBootsAreToldApart(t *testing.T) {
	for _, name := range []string{"boot1", "boot1-noglobal", "boot1-notifications"} {
		one, facts := capture(t, name), truth(t, name)
		for _, known := range []bool{false, true} {
			var sum, guesses int
			var linked, requests int
			for gap := int64(1009); gap < 60_000; gap += 2003 { // µs
				messages, truth := parallel(one, facts, 5, gap)
				o := PairerOptions{}
				if known {
					o.Identify = identified(messages, truth)
				}
				got, _ := replay(t, newTracer(t, nil), o, messages)
				checkShape(t, got)
				s := judge(t, got, truth)
				require.Empty(t, s.sure, "gap %d", gap)
				sum, guesses = sum+s.right, guesses+s.guessed
				linked, requests = linked+s.linked, requests+s.requests
			}
			t.Logf("%s, names known %v: linked %d of %d (%.2f %%), parents right %.2f %%, guessed %.1f %%", name, known, linked, requests,
				100*float64(linked)/float64(requests), 100*float64(sum)/float64(requests), 100*float64(guesses)/float64(requests))
			require.GreaterOrEqual(t, float64(sum)/float64(requests), 0.95)
			require.GreaterOrEqual(t, float64(linked)/float64(requests), 0.95)
		}
	}
}

// The captures of one run of nova, one after the other as they were made: what one shows of who is who helps the next.
func TestWhoIsWhoIsRememberedFromOneRequestToTheNext(t *testing.T) {
	var messages []Message
	var facts []fact
	for _, name := range []string{"boot1", "boot1-noglobal", "calls", "callfail", "bootfail", "calltimeout", "idle60"} {
		messages, facts = append(messages, capture(t, name)...), append(facts, truth(t, name)...)
	}
	slices.SortStableFunc(messages, func(a, b Message) int { return cmp.Compare(a.Time, b.Time) })
	for round, allowed := range []int{28, 16} { // the second: all again, an hour later. Nobody ever asked compute2, so it stays unknown
		got, _ := replay(t, newTracer(t, nil), PairerOptions{}, messages)
		if round == 1 {
			again, later := parallel(messages, facts, 2, int64(time.Hour/time.Microsecond))
			got, _ = replay(t, newTracer(t, nil), PairerOptions{}, again)
			facts = later[len(facts):]
		}
		s := judge(t, got, facts)
		t.Logf("round %d: %v", round+1, s)
		require.Equal(t, s.requests, s.linked)
		require.Zero(t, s.stray)
		require.Empty(t, s.wrong)
		require.LessOrEqual(t, s.guessed, allowed)
	}
}
