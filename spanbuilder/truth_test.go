package spanbuilder

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

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
