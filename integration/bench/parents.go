package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/calltap/calltap/integration/harness"
)

// benchParents replays the captures of nova and compares the spans with who really sent what for whom: the share of an HTTP
// request's messages that are in its trace, and the share of parents that are right.
func benchParents(ctx context.Context, r *rig) error {
	files, err := filepath.Glob(filepath.Join(harness.Root(), "spanbuilder/testdata/truth/*.tsv"))
	if err != nil {
		return err
	}
	var sum verdicts
	captures := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".tsv")
		capture := filepath.Join(harness.Root(), "integration/testdata/openstack/firehose-"+name+".jsonl")
		if _, err := os.Stat(capture); err != nil {
			continue // no capture's, such as ends.tsv
		}
		facts, err := readFacts(file)
		if err != nil {
			return err
		}
		spans, err := replayed(ctx, r.bin, capture)
		if err != nil {
			return err
		}
		captures++
		sum.judge(spans, facts)
	}
	if captures == 0 || sum.messages == 0 {
		return fmt.Errorf("no capture with a truth beside it")
	}
	share := func(name string, n, of int, g goal) {
		r.board.add(figure{"parents", name, float64(n) / float64(of), "", g, fmt.Sprintf("%d of %d, in %d captures", n, of, captures)})
	}
	share("messages of requests that are in the request's trace", sum.linked, sum.requested, atLeast(1, ""))
	share("messages of nobody that are in a request's trace", sum.strays, sum.messages-sum.requested, atMost(0, ""))
	share("right parents", sum.right, sum.messages, atLeast(0.95, ""))
	share("wrong parents that are not tagged as guesses", sum.wrong, sum.messages, atMost(0, ""))
	share("parents tagged as guesses", sum.guessed, sum.messages, goal{})
	return nil
}

// fact is a line of spanbuilder/testdata/truth/*.tsv; "-" is "".
type fact struct {
	published       int64 // Unix microseconds
	id              string
	request, parent string
}

func readFacts(file string) ([]fact, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var facts []fact
	for line := range strings.Lines(string(text)) {
		cell := strings.Split(strings.TrimSpace(strings.ReplaceAll(line, "\t-", "\t")), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		for len(cell) < 8 {
			cell = append(cell, "") // trimmed
		}
		at, err := strconv.ParseInt(cell[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		facts = append(facts, fact{at, cell[1], cell[6], cell[7]})
	}
	return facts, nil
}

// replayed is what `calltap replay` makes of a capture.
func replayed(ctx context.Context, bin, capture string) ([]harness.Span, error) {
	out, err := exec.CommandContext(ctx, bin, "replay", capture).Output()
	if err != nil {
		return nil, fmt.Errorf("replaying %s: %w", capture, err)
	}
	var spans []harness.Span
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var s harness.Span
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, err
		}
		spans = append(spans, s)
	}
	return spans, nil
}

// verdicts are counts over messages.
type verdicts struct {
	messages, requested, linked, strays, right, wrong, guessed int
}

// judge finds each message's own span by when it was published, to a microsecond's rounding.
func (v *verdicts) judge(spans []harness.Span, facts []fact) {
	byID := make(map[string]harness.Span)
	sent := make(map[int64]harness.Span)
	for _, s := range spans {
		byID[s.ID] = s
		if s.Kind == "CLIENT" || s.Kind == "PRODUCER" {
			sent[s.Timestamp] = s
		}
	}
	of := make(map[string]harness.Span) // by message
	message := make(map[string]string)  // by the id of its span
	trace := make(map[string]string)    // by request
	asked := make(map[string]bool)      // traces of requests
	for _, f := range facts {
		for _, at := range [...]int64{f.published, f.published - 1, f.published + 1} {
			if s, ok := sent[at]; ok {
				of[f.id], message[s.ID] = s, f.id
				break
			}
		}
		if f.request != "" && trace[f.request] == "" {
			trace[f.request] = of[f.id].TraceID
			asked[of[f.id].TraceID] = true
		}
	}
	for _, f := range facts {
		s := of[f.id]
		v.messages++
		switch {
		case f.request == "" && asked[s.TraceID]:
			v.strays++
		case f.request != "":
			v.requested++
			if s.TraceID != "" && s.TraceID == trace[f.request] {
				v.linked++
			}
		}
		guess := s.Tags["calltap.parent"] == "guessed"
		if guess {
			v.guessed++
		}
		work, hangs := byID[s.ParentID] // there is no span of an HTTP request here
		switch right := hangs && message[work.ParentID] == f.parent || !hangs && f.parent == ""; {
		case right && s.ID != "":
			v.right++
		case !guess:
			v.wrong++
		}
	}
}
