package span

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoisonedSpansAreStopped(t *testing.T) {
	good := example()
	require.Empty(t, good.Valid())

	for reason, spoil := range map[string]func(*Span){
		"trace id is zero":               func(s *Span) { s.TraceID = TraceID{} },
		"span id is zero":                func(s *Span) { s.ID = 0 },
		"unknown kind":                   func(s *Span) { s.Kind = 9 },
		"start before 1970":              func(s *Span) { s.Start = -1 },
		"start too late":                 func(s *Span) { s.Start = 1<<53 + 1 },
		"negative duration":              func(s *Span) { s.Duration = -1 },
		"duration too long":              func(s *Span) { s.Duration = 1<<53 + 1 },
		"too many tags, notes or timers": func(s *Span) { s.Tags = make([]Tag, MaxItems+1) },
		"too large":                      func(s *Span) { s.Tags = []Tag{{"a", strings.Repeat("x", MaxSize)}} },
		"note outside of time":           func(s *Span) { s.Notes = []Note{{Time: -5, Value: "x"}} },
	} {
		s := example()
		spoil(&s)
		require.Equal(t, reason, s.Valid())
	}
}

func TestSizeCountsEveryString(t *testing.T) {
	s := example()
	before := s.Size()
	s.Name += "12345"
	s.Tags = append(s.Tags, Tag{"key", "value"})
	s.Timers = append(s.Timers, Timer{Name: "queue_wait"})
	require.Equal(t, before+5+32+8+24+10, s.Size())
}

func TestParseTraceID(t *testing.T) {
	for in, want := range map[string]TraceID{
		"1":                                TraceID{Low: 1},
		"48485a3953bb6124":                 TraceID{Low: 0x48485a3953bb6124},
		"463AC35C9F6413AD48485a3953bb6124": TraceID{High: 0x463ac35c9f6413ad, Low: 0x48485a3953bb6124},
		"000000000000000048485a3953bb6124": TraceID{Low: 0x48485a3953bb6124},
	} {
		got, ok := ParseTraceID(in)
		require.True(t, ok, in)
		require.Equal(t, want, got)
		again, _ := ParseTraceID(got.String())
		require.Equal(t, want, again)
	}
	for _, in := range []string{"", "0", strings.Repeat("0", 32), strings.Repeat("1", 33), "12g4", "-1", " 1"} {
		_, ok := ParseTraceID(in)
		require.False(t, ok, in)
	}
}

func TestHexOfEveryNibble(t *testing.T) {
	require.Equal(t, "0123456789abcdef", ID(0x0123456789abcdef).String())
	require.Equal(t, "fedcba9876543210", ID(0xfedcba9876543210).String())
	require.Equal(t, "00000000000000000000000000000001", TraceID{Low: 1}.String())
}

func FuzzParseTraceID(f *testing.F) {
	f.Add("463ac35c9f6413ad48485a3953bb6124")
	f.Add("0x1")
	f.Fuzz(func(t *testing.T, in string) {
		id, ok := ParseTraceID(in)
		if !ok {
			return
		}
		require.Equal(t, strings.Repeat("0", 32-len(in))+strings.ToLower(in), id.String())
	})
}
