package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openzipkin/zipkin-go/model"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/NAME.json is what a read API answers: one trace, or several as an array of arrays.
// NAME.golden is what is printed.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			got := render(t, data)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func render(t *testing.T, data []byte) string {
	var out bytes.Buffer
	if traces, err := DecodeTraces(data); err == nil && len(traces) > 0 {
		require.NoError(t, WriteList(&out, traces))
		return out.String()
	}
	trace, err := DecodeTrace(data)
	require.NoError(t, err)
	require.NoError(t, WriteTree(&out, trace))
	return out.String()
}

func TestEverySpanIsPrintedOnce(t *testing.T) {
	const n = 2000
	for name, parent := range map[string]func(i int) int{
		"chain":               func(i int) int { return i - 1 },
		"star":                func(i int) int { return min(i, 1) },
		"one big cycle":       func(i int) int { return (i+n-2)%n + 1 },
		"many small cycles":   func(i int) int { return i ^ 1 },
		"all parents missing": func(i int) int { return i + n },
		"own parent":          func(i int) int { return i },
		"all roots":           func(int) int { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var spans []model.SpanModel
			for i := 1; i <= n; i++ {
				spans = append(spans, testSpan(i, parent(i)))
			}
			lines := treeLines(t, Trace{Spans: spans})
			require.Len(t, lines, n)
			for i := 1; i <= n; i++ {
				require.Equal(t, 1, countContaining(lines, fmt.Sprintf("span-%06d", i)))
			}
		})
	}
}

func countContaining(lines []string, what string) (n int) {
	for _, line := range lines {
		if strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// A chain as deep as it is long neither overflows a stack nor prints a square of lines.
func TestHugeTracesTakeSecondsAtMost(t *testing.T) {
	const n = 100_000
	for name, parent := range map[string]func(i int) int{
		"deep": func(i int) int { return i - 1 },
		"wide": func(i int) int { return min(i-1, 1) },
		"ring": func(i int) int { return (i+n-2)%n + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			spans := make([]model.SpanModel, n)
			for i := range spans {
				spans[i] = testSpan(i+1, parent(i+1))
			}
			begin := time.Now()
			var out bytes.Buffer
			require.NoError(t, WriteTree(&out, Trace{Spans: spans}))
			require.Less(t, time.Since(begin), 20*time.Second)
			require.Less(t, out.Len(), n*500)
		})
	}
}

func TestTerminalIsNotDrivenByNames(t *testing.T) {
	s := testSpan(1, 0)
	s.Name = "a\x1b]0;owned\x07b\r\nc\u202Ed\x9bx\xffe"
	s.LocalEndpoint = &model.Endpoint{ServiceName: "\x1b[2J"}
	s.Tags = map[string]string{"error": "bad\nline", keyTag: "k\x00", "unshown": "\x1b"}
	lines := treeLines(t, Trace{Spans: []model.SpanModel{s}})
	require.Len(t, lines, 1)
	require.NotContains(t, lines[0], "\x1b")
	require.Contains(t, lines[0], "a?]0;owned?b??c?d?x?e")
	require.Contains(t, lines[0], "ERROR bad?line")
}

func TestLongNamesAreCut(t *testing.T) {
	require.Equal(t, strings.Repeat("ä", maxText)+"…", Printable(strings.Repeat("ä", maxText+1)))
	require.Equal(t, strings.Repeat("ä", maxText), Printable(strings.Repeat("ä", maxText)))
	require.Equal(t, "\uFFFD", Printable("\uFFFD"), "a replacement character that was sent is one")
}

func TestOneBadSpanDoesNotHideTheOthers(t *testing.T) {
	trace, err := DecodeTrace([]byte(`[
		{"traceId":"1","id":"1","name":"good","timestamp":1},
		{"traceId":"1","id":"0","name":"no id"},
		{"traceId":"1","id":"2","timestamp":"yesterday"},
		17, null, []]`))
	require.NoError(t, err)
	require.Len(t, trace.Spans, 1)
	require.Equal(t, 5, trace.Bad)
}

func TestNoArrayIsAnError(t *testing.T) {
	for _, data := range []string{"", "{}", "null and void", `"x"`, "[", `[[{}]`} {
		_, err := DecodeTrace([]byte(data))
		require.Error(t, err, data)
		_, err = DecodeTraces([]byte(data))
		require.Error(t, err, data)
	}
}

func TestNothingToPrint(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteTree(&out, Trace{}))
	require.NoError(t, WriteList(&out, nil))
	require.Equal(t, "no spans\nno traces\n", out.String())
}

// FuzzDecodeAndPrint: whatever a server answers, all that could be read is printed, and safely.
func FuzzDecodeAndPrint(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		if trace, err := DecodeTrace(data); err == nil {
			require.NoError(t, WriteTree(&out, trace))
		}
		if traces, err := DecodeTraces(data); err == nil {
			require.NoError(t, WriteList(&out, traces))
		}
		for _, r := range out.String() {
			if r != '\n' && r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("control character %U in %q", r, out.String())
			}
		}
	})
}

func treeLines(t *testing.T, trace Trace) []string {
	var out bytes.Buffer
	require.NoError(t, WriteTree(&out, trace))
	_, body, ok := strings.Cut(out.String(), "SPAN\n")
	require.True(t, ok, out.String())
	return strings.Split(strings.TrimSuffix(body, "\n"), "\n")
}

func testSpan(id, parent int) model.SpanModel {
	s := model.SpanModel{
		SpanContext:   model.SpanContext{TraceID: model.TraceID{Low: 7}, ID: model.ID(id)},
		Name:          fmt.Sprintf("span-%06d", id),
		Timestamp:     time.UnixMicro(1_700_000_000_000_000 + int64(id)),
		Duration:      time.Millisecond,
		LocalEndpoint: &model.Endpoint{ServiceName: "svc"},
	}
	if parent != 0 {
		p := model.ID(parent)
		s.ParentID = &p
	}
	return s
}
